"""Server-sent events over append-only tables: no gap, no double, no thread and no connection to Postgres each."""
