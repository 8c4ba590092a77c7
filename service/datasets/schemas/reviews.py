"""Wire shapes of reviews."""
