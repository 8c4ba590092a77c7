"""Analyses bytes in memory, for tests of what is stored of an analysis."""

import json

from service.datasets.analysis.merging import Merged, merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.segments import analyse_segment

_OPTIONS = Options()


def analysed(data: bytes, options: Options = _OPTIONS) -> Merged:
    """What a worker finds in a file of these bytes."""
    segment = analyse_segment([data], index=0, format=None, options=options, advance=lambda _: None)
    return merge([segment], size=len(data), options=options)


def different(number: int, start: int = 0) -> bytes:
    """Good chats, no two of which say the same."""
    things = ("a bridge", "the harbour", "an old engine", "rain in May", "two brothers", "the last train", "bread")
    return b"".join(json.dumps({"messages": [
        {"role": "system", "content": "Answer in one short sentence."},
        {"role": "user", "content": f"What is story {at * 7919} about, and what of {things[at % 7]}?"},
        {"role": "assistant", "content": f"It tells of {things[at * 3 % 7]} and of {things[at * 5 % 7]}, part {at}."},
    ]}).encode() + b"\n" for at in range(start, start + number))


def pairs(number: int) -> bytes:
    """Good lines for preference tuning."""
    return b"".join(json.dumps({
        "input": {"messages": [{"role": "user", "content": f"Which number comes after {at}?"}]},
        "preferred_output": [{"role": "assistant", "content": f"{at + 1} comes next."}],
        "non_preferred_output": [{"role": "assistant", "content": "I would rather not say."}],
    }).encode() + b"\n" for at in range(number))
