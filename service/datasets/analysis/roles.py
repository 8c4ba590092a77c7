"""Who says what in a batch, as columns: which texts are answers, which are prompts, which stand in every example."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch
from service.datasets.analysis.shapes import ROLES

ANSWERS = frozenset({"assistant", "preferred", "completion"})
PROMPTS = frozenset({"user", "prompt"})
SHARED = frozenset({"system", "developer", "tools"})


def _are(roles: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([role in roles for role in ROLES])


_TOOLS = ROLES.index("tools")
_ANSWERS, _PROMPTS, _SHARED, _SYSTEMS = map(_are, (ANSWERS, PROMPTS, SHARED, frozenset({"system", "developer"})))


@dataclass(slots=True)
class Roles:
    """Row t of each column is text t of the batch; row e of `last_answer` and `systems` is example e."""

    answers: NDArray[np.bool_]
    "What the model is to say and learns from."
    prompts: NDArray[np.bool_]
    own: NDArray[np.bool_]
    "Not a system prompt and not the declared tools, which many examples have in common."
    examples: NDArray[np.int64]
    "The example that each text belongs to."
    last_answer: NDArray[np.int64]
    "The text that is the last answer of each example, -1 when it has none."
    systems: NDArray[np.int64]
    "The text that is the system or developer message each example begins with, after its tools; -1 when it has none."
    texts: list[str]

    @classmethod
    def of(cls, codes: NDArray[np.uint8], learned: NDArray[np.bool_], texts: list[str],
           firsts: NDArray[np.int64]) -> "Roles":
        """`codes` are those of `shapes`; example e has the texts from firsts[e] to firsts[e + 1]."""
        size = len(firsts) - 1
        examples = np.repeat(np.arange(size), np.diff(firsts))
        answers = _ANSWERS[codes] & learned
        last = np.full(size, -1)
        last[examples[answers]] = np.flatnonzero(answers)
        opening = firsts[:-1].copy()
        opening[codes[opening] == _TOOLS] += 1
        is_system = (opening < firsts[1:]) & _SYSTEMS[codes.take(opening, mode="clip")]
        return cls(answers, _PROMPTS[codes], ~_SHARED[codes], examples, last, np.where(is_system, opening, -1), texts)


def roles(batch: Batch) -> Roles:
    if "roles" not in batch.derived:
        batch.derived["roles"] = _columns(batch)
    found: Roles = batch.derived["roles"]
    return found


def _columns(batch: Batch) -> Roles:
    said = [one for example in batch.examples for one in example]
    codes = np.array([ROLES.index(role) for role, _, _ in said], np.uint8)
    return Roles.of(codes, np.array([trained for _, _, trained in said], np.bool_), [text for _, text, _ in said],
                    batch.firsts)
