"""Wire shapes of versions."""
