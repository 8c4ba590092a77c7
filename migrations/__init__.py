"""Alembic's home; configured from pyproject.toml."""
