"""What is wrong, where, and how to mend it; and a tally that counts all of it and keeps the first of each kind."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
_SHOWN = 60  # characters of the customer's data that a message repeats
_LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. An `error` keeps its line from being trained on, a `warning` makes one think, an `info` tells."""

    severity: Severity
    kind: str
    line: int | None
    "From 1; None when it concerns the whole file."
    path: str | None
    "Such as messages[2].content, counted from 0; None when it concerns the whole line."
    message: str
    hint: str | None = None


class Place:
    """A position in an example. Made for every value that is looked at, so its words are built when they are needed."""

    __slots__ = ("_messages", "_outer", "_step", "line", "name")

    def __init__(self, line: int, name: str, outer: "Place | None" = None, step: str | int = "") -> None:
        self.line = line
        self.name = name
        self._outer = outer
        self._step = step
        self._messages: Place | None = None

    @classmethod
    def example(cls, line: int) -> "Place":
        return cls(line, f"Example {line}")

    def inside(self, step: str | int) -> "Place":
        """The value under a key, or at an index."""
        return Place(self.line, self.name, self, step)

    def message(self, index: int) -> "Place":
        """One message of the example's `messages`."""
        if self._messages is None:
            self._messages = self.inside("messages")
        return Place(self.line, f"{self.name}, message {index + 1}", self._messages, index)

    @property
    def path(self) -> str:
        """Such as messages[2].content; empty for the example itself."""
        if self._outer is None:
            return ""
        if isinstance(self._step, int):
            return f"{self._outer.path}[{self._step}]"
        return f"{self._outer.path}.{shown(self._step)}".removeprefix(".")

    def error(self, kind: str, text: str, hint: str | None = None) -> Finding:
        return self._finding("error", kind, text, hint)

    def warning(self, kind: str, text: str, hint: str | None = None) -> Finding:
        return self._finding("warning", kind, text, hint)

    def info(self, kind: str, text: str, hint: str | None = None) -> Finding:
        return self._finding("info", kind, text, hint)

    def _finding(self, severity: Severity, kind: str, text: str, hint: str | None) -> Finding:
        return Finding(severity, kind, self.line, self.path[:_LONGEST_PATH] or None, f"{self.name} {text}", hint)


def unknown_keys(value: dict[str, Any], known: AbstractSet[str], at: Place) -> Iterable[Finding]:
    """Keys that nothing reads, in the words of OpenAI's platform."""
    if value.keys() <= known:
        return ()
    return (at.inside(key).error("unknown_key", f'contains an extra "{shown(key)}".')
            for key in value if key not in known)


def shown(text: str, most: int = _SHOWN) -> str:
    """The customer's text as a message may repeat it: short, in one line, and storable anywhere."""
    short = text if len(text) <= most else text[:most] + "…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in short)
