"""Conversions: every shape in and out, and what becomes of rows that make no example."""
