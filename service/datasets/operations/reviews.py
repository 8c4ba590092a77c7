"""Human review: queues, decisions, agreement, coverage."""
