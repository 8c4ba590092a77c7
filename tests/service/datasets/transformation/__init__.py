"""Transformations: what they keep, what they change, and that they do the same each time."""
