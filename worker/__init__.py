"""Everything that waits: the relay, Celery tasks, providers, training and serving."""
