"""The whole of what is known about one file, as it is kept with it, shown, and printed on a terminal."""

from typing import Any, Literal

from msgspec import Struct, field

Verdict = Literal["go", "warn", "block"]


class OverContext(Struct):
    """What one context length would cut off: longer examples are truncated at their end, not refused."""

    context: int
    examples: int
    tokens: int
    "Tokens beyond the context, of all those examples together."
    longest: int
    lines: list[int]
    "The first 20."


class TokenStats(Struct):
    """Tokens of one file as one tokenizer counts them. A length is that of a whole example."""

    tokenizer: str
    "o200k_base, cl100k_base, or the id of a base model with a tokenizer of its own."
    exact: bool
    "False when only a part was counted and the rest was extrapolated."
    total: int
    "Of all texts."
    billed: int
    "Of one epoch by OpenAI's formula: texts, 4 for each message, 1 for each example."
    trainable: int
    "Of the texts that are learned."
    uncertain: int
    "Part of `billed` that no recorded bill confirms: tools and calls."
    by_role: dict[str, int]
    examples: int
    messages: int
    mean: float
    percentiles: dict[str, int]
    "min, p10, p50, p90, p99 and max of the lengths."
    histogram: list[tuple[int, int]]
    "(upper bound, examples) with bounds that double: 16, 32, 64, …"
    over_context: list[OverContext] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    "Images by their detail (low, high, auto), whose tokens are in none of these numbers."


class Duplicates(Struct):
    """Examples that say the same as an earlier one; counts are of those that could go."""

    exact: int = 0
    near: int = 0
    contradictions: int = 0
    "Prompts that come with more than one answer."
    groups: list[list[int]] = field(default_factory=list)
    "Lines of the first 100 groups of exact or near duplicates, at most 20 of each."
    contradicting: list[list[int]] = field(default_factory=list)
    "Lines of the first 100 prompts with different answers."


class Part(Struct):
    """One part of the score, from 0 to 100, and in words what it rests on."""

    name: str
    score: int
    weight: float
    detail: str


class Advice(Struct):
    kind: str
    message: str


class Quality(Struct):
    """The score with its parts; `facts` holds what the parts are made from."""

    score: int
    parts: list[Part] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class Privacy(Struct):
    """Personal data and secrets by kind; the secrets themselves are nowhere."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: int = 0


class Report(Struct):
    """Everything that reading one file told. Numbers are exact; only examples of findings are capped."""

    format: str | None
    bytes: int
    lines: int
    examples: int
    "Lines that can be trained on."
    errors: int
    warnings: int
    infos: int
    counts: dict[str, int]
    "Findings by kind."
    verdict: Verdict
    reasons: list[str]
    "Why the verdict is not `go`, the weightiest first."
    tokens: TokenStats | None
    duplicates: Duplicates | None = None
    quality: Quality | None = None
    privacy: Privacy | None = None
    seconds: float = 0.0
