"""The domain and its HTTP face: everything the API process runs, and what the worker imports."""
