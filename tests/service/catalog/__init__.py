"""The catalog: base models, tuned models, methods."""
