"""Follows thousands of jobs at remote servers with one loop: list pages per credential, and nothing held in memory."""
