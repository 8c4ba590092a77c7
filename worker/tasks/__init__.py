"""What workers do: each task loads, acts and records, and no transaction is open while it acts."""
