"""Training at Amazon Bedrock: model customization jobs, with their files in a bucket of the tenant's own account."""
