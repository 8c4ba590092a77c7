"""What Bedrock's documentation says of each family of models: form of its lines, hyper-parameters, ranges. Pure.

Ranges are those of the user guide's page "Custom model hyperparameters", forms and counts of lines those of
its page "Prepare data for fine-tuning" and, of Nova, of the checker that AWS gives away; as read on 2026-11-26.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["converse", "prompt"]
RESERVED = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
"""A prompt of Nova's that contains one of these lets the whole job fail (Nova user guide, data for fine-tuning)."""
_WHERE = "method.supervised.hyperparameters."
_FITS = 1 + 1e-9
"""Room for what a multiplication by a decimal fraction adds."""


@dataclass(frozen=True, slots=True)
class Family:
    """Ranges are (least, most, default)."""

    name: str
    form: Form
    epochs: tuple[int, int, int]
    learning_rate: tuple[float, float, float]
    batch_size: int | None = None
    "The only one that is taken; None where it cannot be said at all."
    lines: tuple[int, int] = (1, 10**9)
    "Fewest and most of one file."
    records: int = 1
    "Fewest of both files together. (The most is a quota that AWS adjusts on request.)"
    reserved: tuple[str, ...] = ()
    validates: bool = True
    "Whether a validation file is used."

    @property
    def multipliers(self) -> tuple[float, float]:
        """Of the default learning rate: Bedrock takes the rate itself."""
        least, most, default = self.learning_rate
        return least / default, most / default


_NOVA = ((1, 5, 2), (1e-6, 1e-4, 1e-5))
_LLAMA = ((1, 10, 5), (5e-6, 0.1, 1e-4))
FAMILIES: Mapping[str, Family] = {
    # The guide has no ranges for Nova 2: those of Nova 1 are taken, and AWS has the last word.
    "amazon.nova-2-lite": Family("nova-2", "converse", *_NOVA, lines=(200, 20_000), reserved=RESERVED, validates=False),
    "amazon.nova-micro": Family("nova", "converse", *_NOVA, lines=(8, 20_000), reserved=RESERVED),
    "amazon.nova-lite": Family("nova", "converse", *_NOVA, lines=(8, 20_000), reserved=RESERVED),
    "amazon.nova-pro": Family("nova", "converse", *_NOVA, lines=(8, 20_000), reserved=RESERVED),
    "meta.llama3-1": Family("llama3-1", "prompt", *_LLAMA, batch_size=1, records=100),
    "meta.llama3-2": Family("llama3", "converse", *_LLAMA, batch_size=1, records=100),
    "meta.llama3-3": Family("llama3", "converse", *_LLAMA, batch_size=1, records=100),
}


def family_of(model: str) -> Family | None:
    """By a model's id or its ARN; None for one that is not known here, a custom model for one."""
    told = model.rsplit("foundation-model/", 1)[-1]
    return next((family for start, family in FAMILIES.items() if told.startswith((start + "-", start + ":"))), None)


def problems(family: Family, hyperparameters: Mapping[str, Any], *, has_validation: bool = False,
             examples: Mapping[str, int] | None = None) -> Iterator[tuple[str, str, str]]:
    """Code, message and param of everything that Bedrock would refuse. `examples` counts lines by the file's param."""
    if has_validation and not family.validates:
        yield ("validation_not_supported", "Bedrock uses no validation file for this model; leave it out.",
               "validation_file")
    for param, count in (examples or {}).items():
        yield from _of_file(family, count, param)
    together = sum((examples or {}).values())
    if examples and together < family.records:
        yield ("invalid_n_examples", (f"There are {together} example(s) in all; Bedrock takes no fewer than"
               f" {family.records} for this model."), "training_file")
    ranges = {"n_epochs": family.epochs[:2], "learning_rate_multiplier": family.multipliers,
              "batch_size": (family.batch_size, family.batch_size)}
    for name, (low, high) in ranges.items():
        value = number(hyperparameters, name)
        if value is None:
            continue
        if low is None or high is None:
            yield ("invalid_hyperparameter", f"Bedrock chooses {name} itself for this model; leave it to 'auto'.",
                   _WHERE + name)
        elif not low / _FITS <= value <= high * _FITS:
            yield ("invalid_hyperparameter", (f"Bedrock takes {name} from {low:g} to {high:g} for this model, not"
                   f" {value:g}; change it, or leave it to 'auto'."), _WHERE + name)


def _of_file(family: Family, count: int, param: str) -> Iterator[tuple[str, str, str]]:
    fewest, most = family.lines
    if not fewest <= count <= most:
        yield ("invalid_n_examples", (f"The file has {count} example(s); Bedrock takes {fewest} to {most} for this"
               " model."), param)


def number(hyperparameters: Mapping[str, Any], name: str) -> float | None:
    """None for what Bedrock is to choose itself."""
    value = hyperparameters.get(name)
    return float(value) if isinstance(value, int | float) else None
