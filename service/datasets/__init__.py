"""Meaning: what the lines of a training file say, and what is wrong with them."""
