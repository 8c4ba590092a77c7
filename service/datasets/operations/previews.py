"""Previews: asked for, made by a worker, read."""
