"""What the measures found, as the shares and counts that a judgement rests on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.datasets.analysis.balance import OTHERS, length_at
from service.datasets.analysis.batches import Summary
from service.datasets.analysis.report import Duplicates

_FEWEST_LABELLED = 20  # examples, in fewer of which short answers may repeat by chance
_MOST_CLASSES = 100
_PER_CLASS = 5  # examples of a class on average, below which answers are just short


@dataclass(frozen=True)
class Labels:
    """Answers that are few and short: a classification."""

    counts: dict[str, int]
    "The most frequent first."

    @property
    def majority(self) -> float:
        return max(self.counts.values()) / sum(self.counts.values())

    @property
    def evenness(self) -> float:
        """Entropy against that of equally frequent labels; 1 when there is one label only."""
        total = sum(self.counts.values())
        if len(self.counts) < 2:
            return 1.0
        return -sum(n / total * math.log2(n / total) for n in self.counts.values()) / math.log2(len(self.counts))


@dataclass(frozen=True)
class Facts:
    """Counts of one file; `share` divides them safely."""

    examples: int
    lines: int
    "Lines that are not blank."
    format: str | None
    duplicates: Duplicates
    contents: Mapping[str, int]
    "Examples that hold secret, personal and contact data, refusals, boilerplate."
    private: Mapping[str, int]
    answers: Mapping[str, int]
    forms: Mapping[str, int]
    schemas: Mapping[str, int]
    systems: Mapping[str, int]
    turns: list[int]
    lengths: Mapping[str, list[int]]
    languages: Summary
    labels: Labels | None

    @classmethod
    def of(cls, summaries: Mapping[str, Summary], *, duplicates: Duplicates | None, examples: int, lines: int | None,
           form: str | None) -> "Facts":
        contents, balance = summaries.get("contents", {}), summaries.get("balance", {})
        structure = summaries.get("structure", {})
        return cls(
            examples, max(examples, lines or 0), form, duplicates or Duplicates(), contents.get("examples", {}),
            contents.get("counts", {}), summaries.get("degeneration", {}), structure.get("forms", {}),
            structure.get("schemas", {}), balance.get("systems", {}), balance.get("turns", []),
            balance.get("lengths", {}), summaries.get("languages", {}), _labels(balance.get("labels", {})))

    def share(self, count: int) -> float:
        return count / self.examples if self.examples else 0.0

    @property
    def answered(self) -> int:
        return self.answers.get("answers", 0)

    def of_answers(self, *kinds: str) -> float:
        return sum(self.answers.get(kind, 0) for kind in kinds) / self.answered if self.answered else 0.0

    @property
    def json(self) -> float:
        """Share of the answers that are JSON, or try to be."""
        total = sum(self.forms.values())
        return 1 - self.forms.get("text", 0) / total if total else 0.0

    @property
    def is_structured(self) -> bool:
        return self.json >= 0.5

    @property
    def first_schema(self) -> float:
        """Share of the JSON answers that have the most frequent schema."""
        total = sum(self.schemas.values())
        return max(self.schemas.values()) / total if total else 1.0

    @property
    def without_system(self) -> int:
        return self.systems.get("", 0)

    @property
    def system_prompts(self) -> int:
        return sum(1 for name in self.systems if name)

    @property
    def mismatched(self) -> float:
        sampled = sum(self.languages.get("languages", {}).values())
        return self.languages.get("mismatches", 0) / sampled if sampled else 0.0

    def length(self, part: str, share: float) -> int:
        return length_at(self.lengths.get(part, []), share)

    def shown(self) -> dict[str, Any]:
        """As a report keeps them."""
        return {
            "answers": dict(self.answers), "refusals": self.contents.get("refusal", 0),
            "boilerplate": self.contents.get("boilerplate", 0), "forms": dict(self.forms),
            "schemas": len(self.schemas),
            "system_prompts": {"different": self.system_prompts, "missing": self.without_system},
            "turns": _turns(self.turns), "languages": dict(self.languages.get("languages", {})),
            "language_sample": self.languages.get("sampled", 0),
            "language_mismatches": self.languages.get("mismatches", 0),
            "lengths": {part: {f"p{at}": self.length(part, at / 100) for at in (10, 50, 90, 99)}
                        for part in self.lengths},
            "labels": dict(list(self.labels.counts.items())[:20]) if self.labels else None,
        }


def number(count: int, one: str, many: str | None = None) -> str:
    """Such as `1 answer is empty` and `1,200 answers are empty`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _labels(counted: Mapping[str, int]) -> Labels | None:
    counts = {label: n for label, n in counted.items() if label != OTHERS}
    total, longer = sum(counts.values()), counted.get(OTHERS, 0)
    is_classification = (total >= _FEWEST_LABELLED and longer <= 0.02 * total and len(counts) <= _MOST_CLASSES
                         and len(counts) * _PER_CLASS <= total)
    return Labels(dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))) if is_classification else None


def _turns(counts: list[int]) -> dict[str, float]:
    total = sum(counts)
    used = [turns for turns, n in enumerate(counts) if n]
    mean = sum(turns * n for turns, n in enumerate(counts)) / total if total else 0.0
    return {"mean": round(mean, 2), "most": used[-1] if used else 0}
