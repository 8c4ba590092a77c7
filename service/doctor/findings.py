"""What an examination finds."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found, and what to do about it (empty when there is nothing to do)."""

    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A result with the name of the part it is about."""

    name: str
    verdict: Verdict
    found: str
    advice: str

    @classmethod
    def of(cls, name: str, result: Result) -> Self:
        return cls(name, result.verdict, result.found, result.advice)


Check = Callable[[], Result]


def ok(found: str) -> Result:
    return Result(Verdict.OK, found)


def warn(found: str, advice: str) -> Result:
    return Result(Verdict.WARN, found, advice)


def fail(found: str, advice: str) -> Result:
    return Result(Verdict.FAIL, found, advice)
