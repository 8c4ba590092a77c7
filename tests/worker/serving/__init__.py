"""Tests of the built-in chat server, most of them against real processes of it."""
