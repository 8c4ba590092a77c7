"""Tests of the numbers over many lines."""
