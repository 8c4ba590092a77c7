"""Tests of the transformations of versions."""
