"""The rules of a reinforcement item: a conversation to go on with, and whatever its grader needs."""

from collections.abc import Iterator
from typing import Any

from service.datasets.validation.dialogues import check_dialogue
from service.datasets.validation.findings import Finding, Place
from service.datasets.validation.messages import Cast
from service.datasets.validation.schemas import Budget

_CAST = Cast(roles=("developer", "user", "assistant", "tool"),
             hints=(("system", "Reasoning models take 'developer' messages in place of 'system'."),
                    ("function", "Write 'tool', with the id of the call in 'tool_call_id'.")))
RESERVED = ("messages", "tools")
"""All other keys of an item are the customer's, and its grader's."""


def check_reinforcement(value: dict[str, Any], place: Place, budget: Budget) -> Iterator[Finding]:
    """What is wrong with one item."""
    if "messages" not in value:
        yield place.error("missing_messages", "is missing key 'messages'.",
                          'An item is {"messages": [{"role": "user", ...}], "reference_answer": ...}.')
    dialogue = {key: value[key] for key in RESERVED if key in value}
    yield from check_dialogue(dialogue, place, _CAST, budget, goes_on=True)
