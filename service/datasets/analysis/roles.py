"""Who says what in a batch, as columns: which texts are answers, which are prompts, which stand in every example."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch

ANSWERS = frozenset({"assistant", "preferred", "completion"})
PROMPTS = frozenset({"user", "prompt"})
SHARED = frozenset({"system", "developer", "tools"})
_CODES = {role: code for code, of in enumerate((ANSWERS, PROMPTS, SHARED), start=1) for role in of}


@dataclass(slots=True)
class Roles:
    """Row t of each column is text t of the batch; row e of `last_answer` is example e."""

    answers: NDArray[np.bool_]
    "What the model is to say and learns from."
    prompts: NDArray[np.bool_]
    own: NDArray[np.bool_]
    "Not a system prompt and not the declared tools, which many examples have in common."
    examples: NDArray[np.int64]
    "The example that each text belongs to."
    last_answer: NDArray[np.int64]
    "The text that is the last answer of each example, -1 when it has none."
    texts: list[str]


def roles(batch: Batch) -> Roles:
    if "roles" not in batch.derived:
        batch.derived["roles"] = _columns(batch)
    found: Roles = batch.derived["roles"]
    return found


def _columns(batch: Batch) -> Roles:
    said = [one for example in batch.examples for one in example]
    codes = np.fromiter((_CODES.get(role, 0) for role, _, _ in said), np.uint8, len(said))
    trained = np.fromiter((learned for _, _, learned in said), np.bool_, len(said))
    examples = np.repeat(np.arange(len(batch.examples)), np.diff(batch.firsts))
    answers = (codes == 1) & trained
    last = np.full(len(batch.examples), -1)
    last[examples[answers]] = np.flatnonzero(answers)
    return Roles(answers, codes == 2, codes != 3, examples, last, [text for _, text, _ in said])
