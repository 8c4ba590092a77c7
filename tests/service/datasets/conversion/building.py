"""Files of any shape, and what converting makes of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.datasets.conversion import reading
from service.datasets.conversion.reading import Outcome, Shape
from service.datasets.validation.formats import check

TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "f", "description": "Does it.", "parameters": {
    "type": "object", "properties": {"a": {"type": "number"}}}}}]
Q: dict[str, Any] = {"role": "user", "content": "q"}
A: dict[str, Any] = {"role": "assistant", "content": "a"}


@dataclass(frozen=True)
class Done:
    shape: Shape
    lines: list[bytes]
    outcome: Outcome

    @property
    def examples(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]

    @property
    def reasons(self) -> dict[str, int]:
        return dict(self.outcome.reasons)


Convert = Callable[..., Done]


def converter(folder: Path) -> Convert:
    """Writes what it is given to a file (values as JSON), detects, converts, and holds the lines to the rules."""
    def convert(content: Any, name: str = "file.json", **given: Any) -> Done:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
        shape, outcome = reading.detect(path, **given), Outcome()
        lines = list(reading.convert(path, shape, outcome))
        if shape.layout != reading.NATIVE:
            for number, line in enumerate(lines, start=1):
                kind: Any = "preference" if line.startswith(b'{"input"') else "chat"
                assert [each for each in check(line[:-1], number, kind) if each.severity == "error"] == []
            assert outcome.rows == len(lines) + sum(outcome.reasons.values())
        return Done(shape, lines, outcome)
    return convert


@pytest.fixture(name="convert")
def convert_fixture(tmp_path: Path) -> Convert:
    return converter(tmp_path)
