"""Fetches, verifies and converts base models once, so that training and serving find them in the Hugging Face layout."""

from worker.training.tiny import tiny

__all__ = ["tiny"]
