"""Wire shapes of validation reports and their findings."""

from typing import Literal

from pydantic import Field

from service.datasets.schemas.numbers import Duplicates, Privacy, Quality, TokenStats
from service.kit.schemas import Answer, Timestamp

Severity = Literal["error", "warning", "info"]


class Progress(Answer):
    """How far the file was read."""

    bytes: int
    total_bytes: int
    percent: float


class Validation(Answer):
    """What reading every line of one file told. Numbers are exact; findings are kept for the first 1,000 of a kind."""

    object: Literal["file.validation"] = "file.validation"
    file_id: str
    status: Literal["pending", "running", "completed", "failed"] = Field(
        description="`failed`: the file could not be read; `problem` says why. What is wrong with the data itself is"
                    " told by `verdict`.")
    progress: Progress
    problem: str | None = Field(None, description="Why the file cannot be trained on, in words.")
    verdict: Literal["go", "warn", "block"] | None = Field(
        None, description="`block`: a job with this file would fail. `warn`: it would run, but see `reasons`.")
    reasons: list[str] = Field(default_factory=list, description="Why it is not `go`, the weightiest first.")
    score: int | None = Field(None, description="Quality from 0 to 100; its parts stand in `quality`.")
    format: Literal["chat", "preference", "reinforcement", "completion"] | None = Field(
        None, description="What the lines are; null when no line says so.")
    lines: int = 0
    examples: int = Field(0, description="Lines that can be trained on.")
    errors: int = Field(0, description="Findings that keep a line from being trained on.")
    warnings: int = 0
    infos: int = 0
    counts: dict[str, int] = Field(default_factory=dict, description="Findings by kind.")
    tokens: TokenStats | None = None
    duplicates: Duplicates | None = None
    quality: Quality | None = None
    privacy: Privacy | None = None
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None


class Finding(Answer):
    """One thing that is wrong or worth knowing: where, what, and how to mend it."""

    id: str
    object: Literal["file.validation.finding"] = "file.validation.finding"
    severity: Severity
    kind: str
    line: int | None = Field(description="From 1; null when it concerns the whole file.")
    path: str | None = Field(description="Such as messages[2].content; null when it concerns the whole line.")
    message: str
    hint: str | None


class Example(Answer):
    """What reading a file told of one line that can be trained on."""

    id: str = Field(description="The line, as a string: what a page goes on `after`.")
    object: Literal["file.validation.example"] = "file.validation.example"
    line: int = Field(description="From 1.")
    offset: int = Field(description="Of its first byte in the file.")
    bytes: int = Field(description="Without the newline.")
    tokens: int = Field(description="As billed for one pass, by o200k_base.")
    trainable_tokens: int = Field(description="Those that are learned from.")
    over: int | None = Field(description="By how many tokens it is longer than `context`; null when none was given.")
    suspicion: int = Field(description="From 0 to 100, by its flags.")
    flags: list[str] = Field(description="What is conspicuous about it, the weightiest first.")


class TokenCount(Answer):
    """How many tokens one tokenizer makes of a file."""

    object: Literal["file.token_count"] = "file.token_count"
    file_id: str
    tokenizer: str
    status: Literal["pending", "completed", "unavailable", "failed"] = Field(
        description="`unavailable`: this house cannot count so now; `problem` says what is missing.")
    percent: float
    problem: str | None = None
    tokens: TokenStats | None = None
