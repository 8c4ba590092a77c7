"""Who trains: one module per provider behind the seam in base.py."""
