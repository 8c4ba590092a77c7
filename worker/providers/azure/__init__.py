"""Jobs on Azure OpenAI: OpenAI's client with Azure's doors."""
