"""Tests of what workers do."""
