"""The rules of a legacy prompt and completion."""

from collections.abc import Iterator
from typing import Any

from service.datasets.validation.contents import check_content
from service.datasets.validation.findings import Finding, Place, unknown_keys
from service.datasets.validation.schemas import Budget

_KEYS = ("prompt", "completion")


def check_completion(value: dict[str, Any], place: Place, _: Budget) -> Iterator[Finding]:
    """What is wrong with one example for a model that only completes."""
    yield from unknown_keys(value, set(_KEYS), place)
    for key in _KEYS:
        if key not in value:
            yield place.error("missing_key", f"is missing key '{key}'.", _other_format(value))
        elif not isinstance(value[key], str):
            yield place.inside(key).error("wrong_type", f"has a '{key}' that is not a string.")
        else:
            yield from check_content(value[key], key, place.inside(key), images=False)
    if value.get("completion") == "":
        yield place.inside("completion").error("nothing_to_learn", "has an empty completion.", "Remove the example.")


def _other_format(value: dict[str, Any]) -> str:
    if "messages" in value:
        return "This is a chat, which the models for chat are trained on."
    return 'An example is {"prompt": "...", "completion": "..."}.'
