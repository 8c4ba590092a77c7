"""Tests of keys to other servers: kept, changed, shared, opened, and never shown."""
