"""Tests of what reading a file finds."""
