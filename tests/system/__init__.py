"""Tests of the whole house: real processes, the official SDK, kills."""
