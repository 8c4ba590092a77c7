"""Measures whether answers that are to be read by programs have one form: JSON or not, one schema or many."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import xxhash

from service.datasets.analysis.batches import Batch, Flag, Summary
from service.datasets.analysis.places import find
from service.datasets.analysis.roles import roles
from service.datasets.validation.findings import Finding, Severity

MOST_SCHEMAS = 256
_SETTLED = 50  # so many answers tell what form the others should have
_MOSTLY = 0.9
_STARTS = frozenset("{[` \t\n\r")
_OPENING = re.compile(r"""\s*(?:\{\s*(?:"|'\w|\})|\[\s*(?:\{|"|\[|\]|-?\d+\s*,))""")
_NUMBERS = re.compile(r"\s*\[\s*-?\d")  # a list of numbers, or a text that begins with a note
_TYPES: dict[type, str] = {str: "s", int: "n", float: "n", bool: "b", type(None): "0", list: "l", dict: "o"}


class Structure:
    """Counts answers by form, and JSON answers by schema (as a hash: keys may be as private as values)."""

    name = "structure"

    def __init__(self) -> None:
        self._forms: Counter[str] = Counter()
        self._schemas: Counter[str] = Counter()
        self._structured = 0

    def inspect(self, batch: Batch) -> list[Finding]:
        columns, findings = roles(batch), []
        answers = np.flatnonzero(columns.answers).tolist()
        if not self._structured:
            starts = [columns.texts[text][:1] for text in answers]
            if _STARTS.isdisjoint(starts):
                self._forms["text"] += len(starts)
                return []
        for text in answers:
            form = self._form(columns.texts[text])
            self._forms[form] += 1
            self._structured += form in {"json", "fenced"}
            if problem := self._problem(form):
                example = int(columns.examples[text])
                batch.mark(example, Flag.INCONSISTENT_FORMAT)
                findings.append(find(batch, text, example, *problem))
        return findings

    def _problem(self, form: str) -> tuple[Severity, str, str, str] | None:
        if form == "broken":
            return ("warning", "invalid_json_answer", "looks like JSON but cannot be parsed.",
                    "Write structured answers with a JSON library, and check that none was cut off.")
        if form == "text" and self._structured >= _SETTLED and self._structured >= _MOSTLY * self._forms.total():
            return ("info", "unstructured_answer", "is no JSON, while nearly all answers before it are.",
                    "Give every answer the same form.")
        return None

    def _form(self, answer: str) -> str:
        if answer[:1] not in _STARTS:
            return "text"
        form = "json"
        if "```" in answer[:16]:
            inside = _unfenced(answer)
            if inside is None:
                return "text"
            form, answer = "fenced", inside
        if not _OPENING.match(answer):
            return "text"
        try:
            value = msgspec.json.decode(answer)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return "broken" if form == "json" and not _NUMBERS.match(answer) else "text"
        self._count(value)
        return form

    def _count(self, value: Any) -> None:
        schema = xxhash.xxh3_64_hexdigest(_schema(value).encode("utf-8", "surrogatepass"))
        if schema in self._schemas or len(self._schemas) < MOST_SCHEMAS:
            self._schemas[schema] += 1
        else:
            self._schemas["others"] += 1

    def summary(self) -> Summary:
        forms = {form: count for form, count in sorted(self._forms.items()) if count}
        return {"forms": forms, "schemas": dict(self._schemas)}

    @staticmethod
    def merge(summaries: Sequence[Summary]) -> Summary:
        forms: Counter[str] = Counter()
        schemas: Counter[str] = Counter()
        for summary in summaries:
            forms.update(summary["forms"])
            schemas.update(summary["schemas"])
        ranked = sorted(schemas.items(), key=lambda one: (one[0] == "others", -one[1], one[0]))
        kept = dict(ranked[:MOST_SCHEMAS])
        rest = schemas.total() - sum(kept.values())
        if rest:
            kept["others"] = kept.get("others", 0) + rest
        return {"forms": dict(sorted(forms.items())), "schemas": kept}


def _unfenced(answer: str) -> str | None:
    """What stands in a Markdown fence, if the answer is nothing but one."""
    first, _, rest = answer.strip().partition("\n")
    if first.strip() in {"```", "```json", "```JSON"} and rest.endswith("```") and rest.count("```") == 1:
        return rest[:-3]
    return None


def _schema(value: Any) -> str:
    """Keys and the types of their values; of a list, what its first member is."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_TYPES[type(member)]}" for key, member in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + (_schema(value[0]) if value else "") + "]"
    return _TYPES[type(value)]
