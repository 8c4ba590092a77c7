"""Tests of what every slice stands on."""
