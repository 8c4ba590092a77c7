"""What a pre-flight told of the demo's job, in a few lines, and whether it came true."""

from typing import Any


def preflight_lines(told: dict[str, Any]) -> list[str]:
    """Verdict, size, time, memory and reasons; what is not known is left out."""
    [candidate, *_] = told["candidates"]
    file, tokens, span, memory = (told["training_file"], candidate["billed_tokens"], candidate["duration"],
                                  candidate["memory"])
    lines = [f"verdict {told['verdict'] or told['status']}: {file['examples'] or 'no'} examples"
             + (f", {_count(tokens)} tokens in {candidate['epochs']} epochs" if tokens else "")]
    if span:
        lines.append(f"time {span['low']} to {span['high']} s, most likely {span['expected']} s ({span['basis']})")
    if memory:
        there = f" of {_gib(memory['available'])} on {memory['device']}" if memory["available"] else ""
        lines.append(f"memory {_gib(memory['needed'])}{there}")
    return [*lines, *(f"{reason['severity']}: {reason['message']}" for reason in told["reasons"])]


def predicted_and_trained(told: dict[str, Any], trained: int) -> str:
    """The promise beside the bill."""
    tokens = told["candidates"][0]["billed_tokens"]
    return f"predicted {_count(tokens) if tokens else 'no'} tokens, trained {trained:,} tokens"


def _count(tokens: dict[str, int]) -> str:
    low, high = tokens["low"], tokens["high"]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _gib(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"
