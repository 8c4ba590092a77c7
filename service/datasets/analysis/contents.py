"""Measures what texts contain: private data, refusals, boilerplate. All of it is looked for in one pass."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from service.datasets.analysis.batches import Batch, Flag, Summary
from service.datasets.analysis.places import find
from service.datasets.analysis.privacy import finding as private
from service.datasets.analysis.privacy.finding import Limits, Span, masked, spans
from service.datasets.analysis.roles import roles
from service.datasets.analysis.scanning import Hits, Joined, Scanner
from service.datasets.analysis.wording import HABITS, OPENING, Habit
from service.datasets.analysis.wording import TRIGGERS as WORDING
from service.datasets.validation.findings import Finding, Severity

_MOST_HITS = 500_000  # of one block, in 8 MB
_SCANNER = Scanner((*private.TRIGGERS, *WORDING))
_KINDS: dict[str, tuple[Severity, str, Flag, str]] = {
    "secret": ("warning", "secret", Flag.SECRET,
               "Revoke it if it is real, and redact the file: a model can repeat what it was trained on."),
    "personal": ("warning", "personal_data", Flag.PERSONAL_DATA,
                 "Redact the file, unless the model must know it: it can repeat what it was trained on."),
    "contact": ("info", "contact_data", Flag.PERSONAL_DATA, "Redact the file if this is somebody's own."),
}
_WORDS = {
    Habit.REFUSAL: ("refusal", Flag.REFUSAL, "refuses what was asked.",
                    "Keep refusals only if the model is to learn them; a few of them spread to harmless requests."),
    Habit.BOILERPLATE: ("boilerplate", Flag.BOILERPLATE, "speaks of itself as an AI.",
                        "Remove such phrases; they come from another assistant, and the tuned model takes them over."),
}


def _text_and_kind(span: Span) -> tuple[int, str]:
    return span.text, span.detector.kind


class Contents:
    """Counts private data by kind, and examples with each sort of it; refusals and boilerplate by example."""

    name = "contents"

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: Counter[str] = Counter()

    def inspect(self, batch: Batch) -> list[Finding]:
        encoded = batch.derived.get("encoded")
        joined = Joined.of(roles(batch).texts) if encoded is None else Joined.of_encoded(encoded)
        hits = _SCANNER.scan(joined, most=_MOST_HITS)
        limits = Limits()
        found = [*self._private(batch, joined, spans(joined, hits, limits)), *self._habits(batch, joined, hits)]
        if hits.stopped is not None:
            limits.unfinished.add(hits.stopped)
        found += [self._unfinished(batch, text) for text in sorted(limits.unfinished)]
        return sorted(found, key=lambda one: one.line or 0)

    def _private(self, batch: Batch, joined: Joined, found: Sequence[Span]) -> list[Finding]:
        findings = []
        seen: dict[str, set[int]] = {}
        for (text, kind), group in groupby(sorted(found, key=_text_and_kind), key=_text_and_kind):
            first, *more = group
            example = int(roles(batch).examples[text])
            severity, of, flag, hint = _KINDS[first.detector.sort]
            batch.mark(example, flag)
            self._counts[kind] += 1 + len(more)
            seen.setdefault(first.detector.sort, set()).add(example)
            seen.setdefault("any", set()).add(example)
            others = f" and {len(more)} more of the kind {kind}" if more else ""
            findings.append(find(batch, text, example, severity, of,
                                 f"contains {first.detector.name}: {masked(joined, first)}{others}.", hint))
        self._examples.update({sort: len(examples) for sort, examples in seen.items()})
        return findings

    def _unfinished(self, batch: Batch, text: int) -> Finding:
        self._counts["unexamined"] += 1
        return find(batch, text, int(roles(batch).examples[text]), "info", "private_data_unexamined",
                    "holds so much that looks like private data that not all of it was examined.",
                    "Is it data for a program? If people are in it, redact the file: that examines everything.")

    def _habits(self, batch: Batch, joined: Joined, hits: Hits) -> list[Finding]:
        findings, done = [], set()
        mine = hits.triggers >= len(private.TRIGGERS)
        columns = (column[mine].tolist() for column in (hits.triggers, hits.ends, hits.texts))
        for trigger, end, text in zip(*columns, strict=True):
            habit = HABITS[trigger - len(private.TRIGGERS)]
            example = int(roles(batch).examples[text])
            late = habit is Habit.REFUSAL and end - int(joined.starts[text]) > OPENING
            if late or (example, habit) in done or not roles(batch).answers[text]:
                continue
            done.add((example, habit))
            kind, flag, words, hint = _WORDS[habit]
            batch.mark(example, flag)
            self._examples[kind] += 1
            findings.append(find(batch, text, example, "info", kind, words, hint))
        return findings

    def summary(self) -> Summary:
        return {"counts": dict(sorted(self._counts.items())), "examples": dict(sorted(self._examples.items()))}

    @staticmethod
    def merge(summaries: Sequence[Summary]) -> Summary:
        merged: dict[str, Counter[str]] = {"counts": Counter(), "examples": Counter()}
        for summary in summaries:
            for part, counts in merged.items():
                counts.update(summary[part])
        return {part: dict(sorted(counts.items())) for part, counts in merged.items()}
