"""Wire shapes of validation reports and their findings."""

from typing import Literal

from service.kit.schemas import Answer, Timestamp

Severity = Literal["error", "warning"]


class Validation(Answer):
    """What validation found in one file. The numbers are exact; findings are kept for the first 1,000 of a kind."""

    object: Literal["file.validation"] = "file.validation"
    file_id: str
    status: Literal["pending", "completed", "failed"]
    format: str | None
    lines: int
    examples: int
    "Lines that can be trained on."
    errors: int
    warnings: int
    counts: dict[str, int]
    "Findings by kind."
    completed_at: Timestamp | None


class Finding(Answer):
    id: str
    object: Literal["file.validation.finding"] = "file.validation.finding"
    severity: Severity
    kind: str
    line: int | None
    path: str | None
    message: str
    hint: str | None
