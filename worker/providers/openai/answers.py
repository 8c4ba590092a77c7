"""Bytes of a server as JSON that is safe to read and to store: cut, cleaned, and without the credential.

The parser's memory is bounded before it runs; every value that Postgres or a thin stack cannot hold is replaced.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.kit import blanking

_CONTAINERS = 500_000
"""Brackets, braces and commas of one answer at most: a short text can make very many objects."""
_DEPTH = 32
_KEY = 256


class Unreadable(ValueError):
    """The bytes are no JSON object that anything can be made of; the message completes "The answer …"."""


@dataclass(slots=True)
class _Budget:
    left: int

    def spend(self, count: int) -> bool:
        self.left -= count
        return self.left >= 0


class Answers:
    """Reads what one server says. `secret` never appears in what comes out, should the server repeat it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def parsed(self, body: bytes) -> dict[str, Any]:
        """The JSON object in `body`, its values raw: pass what is used through `cleaned`."""
        if sum(map(body.count, (b"{", b"[", b","))) > _CONTAINERS:
            raise Unreadable("has too many parts")
        try:
            value = json.loads(body.decode(errors="replace"), parse_int=_integer, parse_constant=lambda _: None)
        except RecursionError:
            raise Unreadable("is nested too deeply") from None
        except ValueError:
            raise Unreadable("is not JSON") from None
        if not isinstance(value, dict):
            raise Unreadable("is not a JSON object")
        return value

    def cleaned(self, value: Any, *, size: int = 64 * 1024) -> Any:
        """A copy that can be stored: about `size` characters at most, what lies beyond them left out."""
        return self._copied(value, _Budget(size), _DEPTH)

    def text(self, value: Any, *, size: int = 1000) -> str:
        """`value` as one clean text; empty when it is none."""
        return self._text(value)[:size] if isinstance(value, str) else ""

    def message(self, value: Any) -> str:
        """What the server says is wrong, without any key: some repeat the one that they refuse, masked or not."""
        return blanking.without_keys(self.text(value), [self._secret])

    def _text(self, value: str) -> str:
        plain = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        return blanking.without(plain, [self._secret])

    def _copied(self, value: Any, budget: _Budget, depth: int) -> Any:
        if isinstance(value, str):
            text = self._text(value)[:max(0, budget.left)]
            budget.spend(len(text) + 2)
            return text
        if isinstance(value, dict | list):
            return self._container(value, budget, depth)
        budget.spend(8)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def _container(self, value: dict[str, Any] | list[Any], budget: _Budget, depth: int) -> Any:
        budget.spend(2)
        if depth == 0:
            return None
        if isinstance(value, list):
            return [self._copied(each, budget, depth - 1) for each in _while(value, budget)]
        copied = {}
        for name in _while(value, budget):
            key = self._text(name)[:_KEY]
            budget.spend(len(key) + 2)
            copied[key] = self._copied(value[name], budget, depth - 1)
        return copied


def _while(values: dict[str, Any] | list[Any], budget: _Budget) -> Iterator[Any]:
    for each in values:
        if budget.left <= 0:
            return
        yield each


def _integer(digits: str) -> int | float:
    """Numbers beyond 64 bits become floats: nobody counts so far, and some readers choke on them."""
    return int(digits) if len(digits) < 19 else float(digits)
