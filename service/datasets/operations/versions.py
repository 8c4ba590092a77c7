"""Data sets and their versions: made, found, listed."""
