"""The formats that training data comes in: which one a file is, what is wrong with a line of it, what it says."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Literal

import msgspec

from service.datasets.validation.chat import check_chat
from service.datasets.validation.completion import check_completion
from service.datasets.validation.contents import image_parts
from service.datasets.validation.decoding import MOST_PER_LINE
from service.datasets.validation.findings import Finding, Place
from service.datasets.validation.lines import BOM
from service.datasets.validation.preference import check_preference
from service.datasets.validation.reinforcement import check_reinforcement
from service.datasets.validation.schemas import Budget
from service.datasets.validation.speeches import SPEECHES, Said
from service.datasets.validation.texts import ARRAY_HINT, UNREADABLE, parse

Format = Literal["chat", "preference", "reinforcement", "completion"]
FITS: dict[str, tuple[Format, ...]] = {
    "supervised": ("chat", "completion"),  # completion only for a legacy model, which the catalog knows
    "dpo": ("preference",),
    "reinforcement": ("reinforcement",),
}
"""The formats that each method of training reads."""
UNEXPECTED = "Unexpected file format, expected either prompt/completion pairs or chat messages."
_LOOKED_AT = 100
_NAMES: dict[Format, str] = {"chat": "fine-tune-chat", "preference": "fine-tune-preference",
                             "reinforcement": "fine-tune-reinforcement", "completion": "fine-tune-completion"}
_RULES: dict[Format, Callable[[dict[str, Any], Place, Budget], Iterator[Finding]]] = {
    "chat": check_chat, "preference": check_preference, "reinforcement": check_reinforcement,
    "completion": check_completion}
_CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
_PAIR_KEYS = {"preferred_output", "non_preferred_output", "preferred_completion", "non_preferred_completion",
              "chosen", "rejected"}


def detect(lines: Sequence[bytes]) -> Format | None:
    """The format that most of the first lines look like; None when none of them looks like any."""
    votes = Counter(vote for line in lines[:_LOOKED_AT] if (vote := _looks_like(line)))
    return votes.most_common(1)[0][0] if votes else None


def check(line: bytes, number: int, format: Format) -> list[Finding]:
    """Everything that is wrong with one line, up to 100 findings; nothing when it can be trained on as it is."""
    place = Place.example(number)
    if not line or line.isspace():
        return [Finding("info", "blank_line", number, None, f"Line {number} is empty.", "Remove it.")]
    value, findings = parse(line, place)
    if value is UNREADABLE:
        return findings
    if not isinstance(value, dict):
        return [*findings, _not_an_object(value, place)][-MOST_PER_LINE:]
    rules = _RULES[format](value, place, Budget.of(line))
    return list(islice(chain(findings, rules), MOST_PER_LINE))


def read(line: bytes, format: Format) -> list[Said] | None:
    """The texts of a line that `check` finds no error in; None when it cannot be read."""
    try:
        value = msgspec.json.decode(line.removeprefix(BOM))
        return SPEECHES[format](value)
    except (msgspec.MsgspecError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def images(line: bytes, format: Format) -> Counter[str]:
    """How many images a line holds that `check` finds no error in, by their detail."""
    if format == "completion" or (b"image_url" not in line and b"\\u00" not in line):
        return Counter()
    value = msgspec.json.decode(line.removeprefix(BOM))
    messages = (value["input"] if format == "preference" else value)["messages"]
    return Counter(part["image_url"].get("detail", "auto") for part in image_parts(messages))


def format_problem(method: str, format: Format | None, file_id: str) -> str | None:
    """Why a file in this format is not for this method, in OpenAI's words; None when it is."""
    if format is None:
        return UNEXPECTED
    if format in FITS.get(method, ()):
        return None
    needed = next(each for each, formats in FITS.items() if format in formats)
    return (f"Input file {file_id} is in the {_NAMES[format]} format, but the specified fine-tuning job is not using"
            f" '{needed}' as the training method (provided method={method}).")


def _not_an_object(value: Any, place: Place) -> Finding:
    hint = "Each line is one JSON object."
    if isinstance(value, list) and value and isinstance(value[0], dict):
        hint = ARRAY_HINT
    return place.error("not_an_object", "is not a dictionary.", hint)


def _looks_like(line: bytes) -> Format | None:
    try:
        value = msgspec.json.decode(line.removeprefix(BOM))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if value.keys() & _PAIR_KEYS or isinstance(value.get("input"), dict):
        return "preference"
    if "messages" in value:
        return _which_dialogue(value)
    return "completion" if value.keys() >= {"prompt", "completion"} else None


def _which_dialogue(value: dict[str, Any]) -> Format:
    """A chat shows the answer. What the model is to answer itself ends with a question, and says how it is graded."""
    messages = value["messages"]
    roles = [each.get("role") for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    if not roles or roles[-1] == "assistant":
        return "chat"
    if value.keys() - _CHAT_KEYS:
        return "reinforcement"
    return "chat" if "assistant" in roles or "system" in roles else "reinforcement"
