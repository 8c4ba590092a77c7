"""Tests of the domain and its HTTP face."""
