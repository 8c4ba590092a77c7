"""Conversions: what rows of other shapes become, and that nothing is lost unseen on the way out and back."""
