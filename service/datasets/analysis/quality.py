"""The judgement on a file: a score that can be followed to its numbers, advice, and private data by kind."""

from collections.abc import Mapping

from service.datasets.analysis.advising import advice
from service.datasets.analysis.batches import Summary
from service.datasets.analysis.facts import Facts
from service.datasets.analysis.report import Duplicates, Privacy, Quality
from service.datasets.analysis.scoring import parts, total


def judge(
    summaries: Mapping[str, Summary], *, duplicates: Duplicates | None, examples: int, format: str | None,
    lines: int | None = None,
) -> tuple[Quality, Privacy]:
    """Quality and privacy of `examples` good lines out of `lines` that are not blank. Same numbers, same judgement."""
    facts = Facts.of(summaries, duplicates=duplicates, examples=examples, lines=lines, form=format)
    judged = parts(facts)
    quality = Quality(total(judged) if examples else 0, judged, advice(facts), facts.shown())
    return quality, Privacy(dict(facts.private), facts.contents.get("any", 0))
