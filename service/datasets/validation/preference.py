"""The rules of a preference pair, for method 'dpo'."""

from collections.abc import Iterator
from typing import Any

from service.datasets.validation.contents import text_of
from service.datasets.validation.dialogues import check_dialogue
from service.datasets.validation.findings import Finding, Place, unknown_keys
from service.datasets.validation.messages import Cast, check_message
from service.datasets.validation.schemas import Budget

_ASKING = Cast(roles=("system", "developer", "user", "assistant", "tool", "function"), images=False)
_ANSWERING = Cast(roles=("assistant",), images=False, weights=False)
_INPUT = {"messages", "tools", "parallel_tool_calls"}
OUTPUTS = ("preferred_output", "non_preferred_output")
_TOP = {"input", *OUTPUTS}


def check_preference(value: dict[str, Any], place: Place, budget: Budget) -> Iterator[Finding]:
    """What is wrong with one pair."""
    if "input" not in value:
        yield place.error("missing_input", "is missing key 'input'.", _other_layout(value))
    yield from unknown_keys(value, _TOP, place)
    if "input" in value:
        yield from _input(value["input"], place.inside("input"), budget)
    for key in OUTPUTS:
        yield from _output(value, key, place)
    yield from _difference(value, place)


def _input(value: Any, at: Place, budget: Budget) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield at.error("wrong_type", "has an 'input' that is not a dictionary.",
                       'It is {"messages": [...]}, with tools if there are any.')
        return
    if "messages" not in value:
        yield at.error("missing_messages", "is missing key 'messages' in its 'input'.")
    yield from unknown_keys(value, _INPUT, at)
    yield from check_dialogue(value, at, _ASKING, budget, goes_on=True)


def _output(value: dict[str, Any], key: str, place: Place) -> Iterator[Finding]:
    at = place.inside(key)
    if key not in value:
        yield place.error("missing_key", f"is missing key '{key}'.", _other_layout(value))
        return
    output = value[key]
    if not isinstance(output, list):
        yield at.error("wrong_type", f"has a '{key}' that is not a list.", "It holds exactly one assistant message.")
    elif len(output) != 1:
        yield at.error("not_one_message", f"has {len(output)} messages in '{key}', but it must be exactly one.",
                       "Earlier turns belong to 'input'.")
    else:
        yield from check_message(output[0], at.inside(0), _ANSWERING)


def _difference(value: dict[str, Any], place: Place) -> Iterator[Finding]:
    better, worse = (_only(value.get(key)) for key in OUTPUTS)
    if better is not None and worse is not None and _substance(better) == _substance(worse):
        yield place.inside(OUTPUTS[1]).warning("same_outputs", "prefers an output to the same output.",
                                               "Nothing can be learnt from it. Remove the pair.")


def _only(output: Any) -> dict[str, Any] | None:
    return output[0] if isinstance(output, list) and len(output) == 1 and isinstance(output[0], dict) else None


def _substance(message: dict[str, Any]) -> tuple[Any, ...]:
    return (text_of(message.get("content")), *(message.get(key) or None
                                               for key in ("tool_calls", "function_call", "refusal")))


def _other_layout(value: dict[str, Any]) -> str:
    if "preferred_completion" in value or "non_preferred_completion" in value:
        return "Older descriptions say 'preferred_completion'; the keys are preferred_output and non_preferred_output."
    if "chosen" in value or "rejected" in value:
        return "This is the layout of TRL, chosen and rejected; `tuneworks convert` makes pairs of it."
    if "messages" in value:
        return "This is a chat, for method 'supervised'."
    return 'A pair is {"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}.'
