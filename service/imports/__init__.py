"""The way home: everything of a remote project, read once and kept under its old ids."""
