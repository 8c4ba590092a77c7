"""The models that the simulated server trains and serves, with their prices, and those trained from them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Base:
    id: str
    created: int
    aliases: tuple[str, ...]
    methods: tuple[str, ...]
    price: int
    "Micro-dollars per million trained tokens; per hour where `by_time`."
    shutdown_date: str | None
    by_time: bool = False
    learning_rate: float = 1.8
    "What the server takes for an `auto` multiplier."

    def wire(self, name: str) -> dict[str, Any]:
        body: dict[str, Any] = {"id": name, "object": "model", "created": self.created, "owned_by": "system"}
        return body | ({"shutdown_date": self.shutdown_date} if self.shutdown_date else {})


_BOTH, _ONE = ("supervised", "dpo"), ("supervised",)
BASES = (
    Base("gpt-4.1-2025-04-14", 1744315746, ("gpt-4.1",), _BOTH, 25_000_000, "2027-01-14"),
    Base("gpt-4.1-mini-2025-04-14", 1744317547, ("gpt-4.1-mini",), _BOTH, 5_000_000, "2027-01-14"),
    Base("gpt-4.1-nano-2025-04-14", 1744321025, ("gpt-4.1-nano",), _BOTH, 1_500_000, "2026-10-23"),
    Base("gpt-4o-2024-08-06", 1722814719, ("gpt-4o",), _BOTH, 25_000_000, "2027-01-14"),
    Base("gpt-4o-mini-2024-07-18", 1721172717, ("gpt-4o-mini",), _BOTH, 3_000_000, "2027-01-14"),
    Base("gpt-3.5-turbo-0125", 1706048358, ("gpt-3.5-turbo",), _ONE, 8_000_000, "2026-10-23", learning_rate=2.0),
    Base("gpt-3.5-turbo-1106", 1698959748, (), _ONE, 8_000_000, "2026-10-23", learning_rate=2.0),
    Base("davinci-002", 1692634301, (), _ONE, 6_000_000, "2026-10-23", learning_rate=0.1),
    Base("babbage-002", 1692634615, (), _ONE, 400_000, "2026-10-23", learning_rate=0.1),
    Base("o4-mini-2025-04-16", 1744133506, ("o4-mini",), ("reinforcement",), 100_000_000, "2026-10-23", by_time=True),
)
BY_NAME = {name: base for base in BASES for name in (base.id, *base.aliases)}

AT_AZURE = {base.id.replace("gpt-3.5", "gpt-35"): base for base in BASES if "3.5" in base.id}
"""Azure writes some names in its own way."""


@dataclass(slots=True)
class Tuned:
    """A model that some job made; `step` for one of its checkpoints that is not the last."""

    name: str
    base: Base
    job_id: str
    created: float
    owned_by: str
    deleted: bool = False

    def wire(self) -> dict[str, Any]:
        return self.base.wire(self.name) | {"created": int(self.created), "owned_by": self.owned_by}


def tuned_name(base: Base, organization: str, suffix: str | None, tail: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in (suffix or "").lower())
    return f"ft:{base.id}:{organization}:{kept}:{tail}"


def azure_name(base: Base, suffix: str | None, tail: str) -> str:
    name = base.id.replace("gpt-3.5", "gpt-35")
    return f"{name}.ft-{tail}" + (f"-{suffix}" if suffix else "")
