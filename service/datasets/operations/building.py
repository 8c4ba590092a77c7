"""Builds the bytes of a version, and records how that ended."""
