"""The sender: what it plans, takes, sends and writes down."""
