"""Chat completions with base and tuned models, forwarded to the chat server."""
