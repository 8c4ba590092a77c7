"""What the worker of an import is told to read next: one call to the server each, and what to call what it brings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["file", "job", "model"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as the server's list tells it."""

    id: str
    filename: str
    bytes: int
    purpose: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListPage:
    """The next page of a list, newest first."""

    kind: Literal["file", "job"]
    after: str | None


@dataclass(frozen=True, slots=True)
class ListModels:
    """All models at once; this list has no pages."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The bytes of one file, to be stored under `object_key`."""

    item_id: str
    remote_id: str
    object_key: str
    declared: int | None
    "How many bytes the server's list says it has; None for a file that only a job names."
    is_result: bool


@dataclass(frozen=True, slots=True)
class ReadEvents:
    item_id: str
    remote_id: str


@dataclass(frozen=True, slots=True)
class ReadCheckpoints:
    item_id: str
    remote_id: str


@dataclass(frozen=True, slots=True)
class KeepModels:
    """Ask for nothing: keep the next of the models of whose job the server tells nothing."""


Step = ListPage | ListModels | ReadFile | ReadEvents | ReadCheckpoints | KeepModels
