"""Wire shapes of what an analysis measured: the parts of service/datasets/analysis/report.py, as documented."""

from pydantic import Field

from service.kit.schemas import Answer, JSONObject


class OverContext(Answer):
    """What one context length would cut off: longer examples are truncated at their end, not refused."""

    context: int = Field(description="The context length, in tokens.")
    examples: int = Field(description="Examples that are longer.")
    tokens: int = Field(description="Tokens beyond the context, of all those examples together.")
    longest: int = Field(description="Tokens of the longest example.")
    lines: list[int] = Field(description="Lines of the first 20.")


class TokenStats(Answer):
    """Tokens of one file as one tokenizer counts them. Lengths are those of whole examples."""

    tokenizer: str = Field(description="o200k_base, cl100k_base, or the id of a base model.")
    exact: bool = Field(description="False when a part was counted and the rest extrapolated.")
    total: int = Field(description="Tokens of all texts.")
    billed: int = Field(description="Tokens of one epoch as they are billed.")
    trainable: int = Field(description="Tokens that are learned from.")
    uncertain: int = Field(description="Part of `billed` that no recorded bill confirms: tools and calls.")
    by_role: dict[str, int] = Field(description="Tokens by who says them.")
    examples: int
    messages: int
    mean: float = Field(description="Mean length of an example.")
    percentiles: dict[str, int] = Field(description="min, p10, p50, p90, p99 and max of the lengths.")
    histogram: list[tuple[int, int]] = Field(description="(upper bound, examples), with bounds that double.")
    over_context: list[OverContext] = Field(description="For each context length: what would be cut off.")
    images: dict[str, int] = Field(default_factory=dict, description="Images by their detail (low, high, auto); their"
                                                                     " tokens are in none of these numbers.")


class Duplicates(Answer):
    """Examples that say the same as an earlier one; the counts are of those that could go."""

    exact: int
    near: int
    contradictions: int = Field(description="Prompts that come with more than one answer.")
    groups: list[list[int]] = Field(description="Lines of the first 100 groups, at most 20 of each.")
    contradicting: list[list[int]] = Field(description="Lines of the first 100 prompts with different answers.")


class Part(Answer):
    """One part of the score, from 0 to 100, and what it rests on."""

    name: str
    score: int
    weight: float
    detail: str


class Advice(Answer):
    kind: str
    message: str


class Quality(Answer):
    """The score, from 0 to 100, with its parts and advice in plain words."""

    score: int
    parts: list[Part]
    advice: list[Advice]
    facts: JSONObject = Field(description="The numbers behind the parts.")


class Privacy(Answer):
    """Personal data and secrets by kind. The secrets themselves are stored nowhere."""

    counts: dict[str, int]
    examples: int = Field(description="Examples that hold any.")
