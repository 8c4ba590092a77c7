"""Converts files of any shape, for the tests of this directory; what comes of them is held to the rules of a line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.datasets.conversion import reading
from service.datasets.conversion.reading import Outcome, Shape
from service.datasets.validation.formats import check

Example = dict[str, Any]
TOOLS: list[Example] = [{"type": "function", "function": {"name": "f", "description": "Does it.", "parameters": {
    "type": "object", "properties": {"a": {"type": "number"}}}}}]
Q: Example = {"role": "user", "content": "q"}
A: Example = {"role": "assistant", "content": "a"}


class Converted:
    """What came of a file."""

    def __init__(self, path: Path, layout: str | None = None, mapping: dict[str, Any] | None = None) -> None:
        self.outcome = Outcome()
        self.shape: Shape = reading.detect(path, layout=layout, mapping=mapping)
        self.lines = list(reading.convert(path, self.shape, self.outcome))
        if self.shape.layout != reading.NATIVE:
            self._hold_to_the_rules()

    def _hold_to_the_rules(self) -> None:
        for number, line in enumerate(self.lines, start=1):
            kind: Any = "preference" if line.startswith(b'{"input"') else "chat"
            assert [each for each in check(line[:-1], number, kind) if each.severity == "error"] == []
        assert self.outcome.rows == len(self.lines) + sum(self.outcome.reasons.values())

    @property
    def bytes(self) -> bytes:
        return b"".join(self.lines)

    @property
    def examples(self) -> list[Example]:
        return [json.loads(line) for line in self.lines]

    @property
    def said(self) -> list[list[str]]:
        """The texts of each example's messages."""
        return [[message.get("content", "") for message in example["messages"]] for example in self.examples]

    @property
    def reasons(self) -> dict[str, int]:
        return dict(self.outcome.reasons)


Convert = Callable[..., Converted]


def converted(path: Path, data: bytes, *, layout: str | None = None,
              mapping: dict[str, Any] | None = None) -> Converted:
    path.write_bytes(data)
    return Converted(path, layout, mapping)


def converter(folder: Path) -> Convert:
    """Converts what it is given: bytes as they are, values as JSON."""
    def convert(content: Any, name: str = "file.json", **given: Any) -> Converted:
        data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        return converted(folder / name, data, **given)
    return convert


@pytest.fixture(name="convert")
def convert_fixture(tmp_path: Path) -> Convert:
    return converter(tmp_path)
