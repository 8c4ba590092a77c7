"""How good the answers are: the share of real tickets, of right fields, and of tickets with nothing wrong."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from worker.demo.dataset import FIELDS, Ticket, is_ticket


@dataclass(frozen=True, slots=True)
class Verdict:
    valid: bool
    right: frozenset[str]

    @property
    def all_right(self) -> bool:
        return self.valid and len(self.right) == len(FIELDS)


@dataclass(frozen=True, slots=True)
class Score:
    """Shares between 0 and 1."""

    answers: int
    valid: float
    fields_right: float
    all_right: float


def score(pairs: Iterable[tuple[str, Ticket]]) -> Score:
    """Each pair is an answer and the ticket that was wanted."""
    verdicts = [judge(answer, wanted) for answer, wanted in pairs]
    count = max(len(verdicts), 1)
    return Score(
        answers=len(verdicts),
        valid=sum(verdict.valid for verdict in verdicts) / count,
        fields_right=sum(len(verdict.right) for verdict in verdicts) / (count * len(FIELDS)),
        all_right=sum(verdict.all_right for verdict in verdicts) / count,
    )


def judge(answer: str, wanted: Ticket) -> Verdict:
    """A field may be right in an answer that is no valid ticket, as long as the answer is a JSON object."""
    found = parse(answer)
    if found is None:
        return Verdict(valid=False, right=frozenset())
    right = frozenset(name for name in FIELDS if name in found and _same(found[name], wanted[name]))
    return Verdict(valid=is_ticket(found), right=right)


def parse(answer: str) -> dict[str, object] | None:
    """The answer as a JSON object, if it is one and nothing else: no prose around it, no key twice."""
    try:
        found = json.loads(answer, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _same(found: object, wanted: object) -> bool:
    return type(found) is type(wanted) and found == wanted
