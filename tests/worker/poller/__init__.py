"""The poller: arithmetic, pages, turns, and a whole process, against servers that behave and servers that do not."""
