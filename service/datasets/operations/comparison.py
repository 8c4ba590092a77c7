"""Compares two versions."""
