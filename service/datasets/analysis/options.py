"""What an analysis is asked to look at."""

from dataclasses import dataclass

from service.datasets.validation.formats import Format

CONTEXTS = (8_192, 16_385, 32_768, 40_960, 65_536, 131_072, 200_000)


@dataclass(frozen=True, slots=True)
class Options:
    """`full` looks at quality, privacy and near duplicates too; without it, at rules, tokens and exact duplicates."""

    tokenizer: str = "o200k_base"
    contexts: tuple[int, ...] = CONTEXTS
    full: bool = True
    format: Format | None = None
    "None: what the first lines look like."
    keep: int = 1000
    "So many findings of each kind are kept; all are counted."
