"""Deletes versions, refuses where a job stands on them, and tells what an erasure reaches."""
