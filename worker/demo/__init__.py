"""The demo: a small model learns to turn customer-service messages into tickets, along the real path."""
