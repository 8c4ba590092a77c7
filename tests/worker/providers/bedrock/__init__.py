"""Tests of the Bedrock provider against moto, made as strict as AWS's own description of its service."""
