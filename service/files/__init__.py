"""Bytes: files and multi-part uploads, streamed through to the object store."""
