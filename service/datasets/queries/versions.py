"""Questions about versions."""
