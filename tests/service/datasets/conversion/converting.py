"""Converts bytes as a file, for the tests of this directory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.datasets.conversion import reading
from service.datasets.conversion.reading import Outcome, Shape

Example = dict[str, Any]
Convert = Callable[..., "Converted"]


class Converted:
    """What came of a file."""

    def __init__(self, path: Path, layout: str | None, mapping: dict[str, Any] | None) -> None:
        self.outcome = Outcome()
        self.shape: Shape = reading.detect(path, layout=layout, mapping=mapping)
        self.bytes = b"".join(reading.convert(path, self.shape, self.outcome))

    @property
    def examples(self) -> list[Example]:
        return [json.loads(line) for line in self.bytes.splitlines()]

    @property
    def said(self) -> list[list[str]]:
        """The texts of each example's messages."""
        return [[message.get("content", "") for message in example["messages"]] for example in self.examples]


def converted(path: Path, data: bytes, *, layout: str | None = None,
              mapping: dict[str, Any] | None = None) -> Converted:
    path.write_bytes(data)
    return Converted(path, layout, mapping)
