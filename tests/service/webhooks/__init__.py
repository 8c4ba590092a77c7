"""Tests of webhook endpoints, their signatures and what they may reach."""
