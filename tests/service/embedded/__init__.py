"""The embedded default, against the real servers."""
