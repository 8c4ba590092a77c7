"""The formats of training data, and what is wrong with a line of one."""

from typing import Literal

from service.datasets.validation.chat import explain
from service.datasets.validation.findings import Finding

Format = Literal["chat", "preference", "reinforcement", "completion"]


def check(line: bytes, number: int, format: Format) -> list[Finding]:  # noqa: A002, ARG001 - named as everywhere
    """Everything that is wrong with one line."""
    return explain(line, number)
