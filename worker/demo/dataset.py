"""The demo's data: customer-service messages, each with the ticket that should come of it.

A ticket is compact JSON with five fields: `category`; `product`, in the customer's own words; `order`, the digits
alone; `urgent`, when the customer names a deadline or calls for help at once; `refund`, when money is asked back.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Part = Literal["train", "validation", "heldout"]
Message = dict[str, str]
Ticket = Mapping[str, str | bool | None]

CATEGORIES: Final = ("delivery", "defect", "billing", "return", "account", "question")


def _is_category(value: object) -> bool:
    return value in CATEGORIES


def _is_product(value: object) -> bool:
    return value is None or (isinstance(value, str) and value != "")


def _is_order(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.isascii() and value.isdigit())


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


FIELDS: Final[Mapping[str, Callable[[object], bool]]] = {
    "category": _is_category,
    "product": _is_product,
    "order": _is_order,
    "urgent": _is_flag,
    "refund": _is_flag,
}


@dataclass(frozen=True, slots=True)
class Example:
    prompt: list[Message]
    answer: str
    ticket: Ticket

    @property
    def message(self) -> str:
        return self.prompt[-1]["content"]


def is_ticket(value: Mapping[str, object]) -> bool:
    return value.keys() == FIELDS.keys() and all(allows(value[name]) for name, allows in FIELDS.items())


def path(part: Part) -> Path:
    return Path(__file__).with_name("data") / f"{part}.jsonl"


def load(part: Part) -> list[Example]:
    with path(part).open(encoding="utf-8") as lines:
        return [_example(json.loads(line)) for line in lines]


def _example(line: dict[str, Any]) -> Example:
    *prompt, answer = line["messages"]
    return Example(prompt=prompt, answer=answer["content"], ticket=json.loads(answer["content"]))
