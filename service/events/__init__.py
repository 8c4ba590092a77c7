"""Append-only facts; webhooks and streams read them."""
