"""Token counts as an analysis makes them."""

from typing import Any

from service.datasets.analysis.report import OverContext, TokenStats


def stats(billed: int, examples: int, *, tokenizer: str = "o200k_base", **others: Any) -> TokenStats:
    """Counts with the given totals; `over` is a list of (context, examples, tokens beyond it)."""
    over = [OverContext(context, count, tokens, context + tokens, [1]) for context, count, tokens
            in others.pop("over", [])]
    longest = others.pop("longest", max(1, billed // max(1, examples)))
    defaults: dict[str, Any] = {
        "exact": True, "total": billed, "trainable": billed // 2, "uncertain": 0, "by_role": {},
        "messages": 3 * examples, "mean": billed / max(1, examples),
        "percentiles": {"min": 1, "p10": 1, "p50": longest, "p90": longest, "p99": longest, "max": longest},
        "histogram": []}
    return TokenStats(tokenizer=tokenizer, billed=billed, examples=examples, over_context=over, **defaults | others)
