"""Rows of versions."""
