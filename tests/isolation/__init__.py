"""Tests that no tenant sees another, and that nothing a caller sends breaks the service."""
