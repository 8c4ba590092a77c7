"""Measures the product against what its users would run instead, in the same run on the same machine."""
