"""Names the place of a text in its example, as a finding shows it."""

from service.datasets.analysis.batches import Batch
from service.datasets.validation.findings import Finding, Severity

_FIELDS = {"tools": ("The declared tools", "tools"), "prompt": ("The prompt", "prompt"),
           "completion": ("The completion", "completion"), "preferred": ("The preferred answer", "preferred_output"),
           "non_preferred": ("The non-preferred answer", "non_preferred_output")}


def find(batch: Batch, text: int, example: int, severity: Severity, kind: str, message: str, hint: str) -> Finding:
    """A finding about one text. Its message names no line: lines of a segment are numbered anew at the merge."""
    subject, path = place(batch, text, example)
    return Finding(severity, kind, batch.lines[example], path, f"{subject} {message}", hint)


def place(batch: Batch, text: int, example: int) -> tuple[str, str]:
    """Words for a text, and its JSON path: each message of an example is one text, its calls one more after it."""
    said = batch.examples[example]
    at = text - int(batch.firsts[example])
    role = said[at][0]
    if role in _FIELDS:
        return _FIELDS[role]
    message = sum(before not in _FIELDS and before != "call" for before, _, _ in said[:at])
    outer = "input." if any(other == "preferred" for other, _, _ in said) else ""
    if role == "call":
        return f"A tool call of message {message}", f"{outer}messages[{message - 1}].tool_calls"
    return f"Message {message + 1}", f"{outer}messages[{message}].content"
