"""Chat: what reaches the chat server, and what comes back."""
