"""Which class serves which provider name; the only place that names the classes."""

from collections.abc import Callable
from functools import cache

from worker.providers.base import Provider
from worker.providers.local.provider import LocalProvider

FACTORIES: dict[str, Callable[[], Provider]] = {"local": LocalProvider}


@cache
def provider(name: str) -> Provider:
    """The provider of that name, one instance per process. Raises KeyError for a name that no catalog may contain."""
    return FACTORIES[name]()
