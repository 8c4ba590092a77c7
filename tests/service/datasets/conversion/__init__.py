"""Tests of what foreign shapes become."""
