"""The rules of a list of messages as a whole, which chat, preference and reinforcement have in common."""

from collections.abc import Iterator
from typing import Any

from service.datasets.validation.contents import image_parts
from service.datasets.validation.conversations import Calls, check_order
from service.datasets.validation.findings import Finding, Place
from service.datasets.validation.images import MOST_IMAGES
from service.datasets.validation.messages import Cast, check_message
from service.datasets.validation.schemas import Budget
from service.datasets.validation.tools import declared


def check_dialogue(value: dict[str, Any], place: Place, cast: Cast, budget: Budget, *,
                   older: bool = False, goes_on: bool = False) -> Iterator[Finding]:
    """`messages`, `tools` and `parallel_tool_calls` of an example or of the input of a pair.

    `older` takes `functions` too; `goes_on` says that what the model is to answer follows the last message.
    """
    known = declared(value, place, older=older)
    yield from known.findings
    parallel = value.get("parallel_tool_calls")
    if not isinstance(parallel, bool | None):
        yield place.inside("parallel_tool_calls").error(
            "wrong_type", "has 'parallel_tool_calls' that is not true or false.")
    if "messages" not in value:
        return
    messages, at = value["messages"], place.inside("messages")
    if not isinstance(messages, list) or not messages:
        yield at.error("wrong_type", "has 'messages' that is not a list of at least one message.")
        return
    for index, message in enumerate(messages):
        yield from check_message(message, place.message(index), cast)
    yield from check_order([_role(message) for message in messages], place)
    yield from Calls(known, place, budget, in_parallel=parallel is not False).check(messages, goes_on=goes_on)
    if cast.images and (images := sum(1 for _ in image_parts(messages))) > MOST_IMAGES:
        yield at.error("too_many_images", f"has {images} images, but may have at most {MOST_IMAGES}.")
    if goes_on and _role(messages[-1]) not in ("user", "tool", "function"):
        yield place.message(len(messages) - 1).warning(
            "last_message_not_asking", "is the last one, but it is neither the user's nor a tool's.",
            "The model answers what stands last.")


def said(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of an example that are messages at all."""
    messages = value.get("messages")
    return [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None
