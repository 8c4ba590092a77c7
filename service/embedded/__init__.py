"""The embedded default: a real PostgreSQL and a real Valkey from wheels, and the processes of one machine."""
