"""Tests of the clients of servers that train for money."""
