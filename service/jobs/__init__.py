"""The heart: fine-tuning jobs, their state machine, events and checkpoints."""
