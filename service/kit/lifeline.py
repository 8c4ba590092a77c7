"""Ends this process when the one that started it is gone."""


def watch_parent() -> None:
    """Watch the supervisor's pipe, if there is one."""
