"""What Bedrock's documentation says of each family of models: form of its lines, hyper-parameters and their ranges."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from worker.providers.remote import Refused

Form = Literal["converse", "prompt"]
RESERVED = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
"""A prompt of Nova's that contains one of these lets the whole job fail (Nova user guide, data for fine-tuning)."""


@dataclass(frozen=True, slots=True)
class Family:
    """Ranges are (least, most, default), as the user guide's "Custom model hyperparameters" has them."""

    name: str
    form: Form
    epochs: tuple[int, int, int]
    learning_rate: tuple[float, float, float]
    batch_size: int | None = None
    "The only one that is taken; None where it cannot be said at all."
    lines: tuple[int, int] | None = None
    "Fewest and most, as AWS's own checker of Nova's data sets has it."
    reserved: tuple[str, ...] = ()
    validates: bool = True
    "Whether a validation file is used."


_NOVA = ((1, 5, 2), (1e-6, 1e-4, 1e-5))
_LLAMA = ((1, 10, 5), (5e-6, 0.1, 1e-4))
FAMILIES: dict[str, Family] = {
    # Ranges of Nova 2 were not found in the guide: those of Nova 1 are taken, and AWS has the last word.
    "amazon.nova-2-lite": Family("nova-2", "converse", *_NOVA, lines=(200, 20_000), reserved=RESERVED, validates=False),
    "amazon.nova-micro": Family("nova", "converse", *_NOVA, lines=(8, 20_000), reserved=RESERVED),
    "amazon.nova-lite": Family("nova", "converse", *_NOVA, lines=(8, 20_000), reserved=RESERVED),
    "amazon.nova-pro": Family("nova", "converse", *_NOVA, lines=(8, 20_000), reserved=RESERVED),
    "meta.llama3-1": Family("llama3-1", "prompt", *_LLAMA, batch_size=1),
    "meta.llama3-2": Family("llama3", "converse", *_LLAMA, batch_size=1),
    "meta.llama3-3": Family("llama3", "converse", *_LLAMA, batch_size=1),
}
_WHERE = "method.supervised.hyperparameters."


def family_of(model: str) -> Family | None:
    """By a model's id or its ARN; None for one that is not known here, a custom model for one."""
    told = model.rsplit("foundation-model/", 1)[-1]
    return next((family for start, family in FAMILIES.items() if told.startswith((start + "-", start + ":"))), None)


def hyperparameters(family: Family, method: Mapping[str, Any]) -> dict[str, str]:
    """As Bedrock takes them, without what it is to choose itself. Raises Refused for what it cannot do."""
    if method.get("type") != "supervised":
        raise Refused("method_not_supported", "Bedrock trains by supervised examples only, not by"
                      f" '{method.get('type')}'; choose another provider for it.", "method.type")
    asked = (method.get("supervised") or {}).get("hyperparameters") or {}
    told: dict[str, str] = {}
    epochs, size, rate = (_number(asked, name) for name in ("n_epochs", "batch_size", "learning_rate_multiplier"))
    if epochs is not None:
        least, most, _ = family.epochs
        _within(epochs, least, most, "n_epochs")
        told["epochCount"] = str(int(epochs))
    if size is not None:
        told |= _batch_size(family, size)
    if rate is not None:
        low, high, default = family.learning_rate
        _within(rate, low / default, high / default, "learning_rate_multiplier")
        told["learningRate"] = f"{rate * default:.6g}"
    return told


def _number(asked: Mapping[str, Any], name: str) -> float | None:
    value = asked.get(name)
    return None if value in {None, "auto"} else float(value)


def _within(value: float, least: float, most: float, name: str) -> None:
    slack = 1e-9 * most
    if not least - slack <= value <= most + slack:
        raise Refused("invalid_hyperparameter", f"Bedrock takes {name} from {least:g} to {most:g} for this model, not"
                      f" {value:g}; change it, or leave it to 'auto'.", _WHERE + name)


def _batch_size(family: Family, size: float) -> dict[str, str]:
    if family.batch_size is None:
        raise Refused("invalid_hyperparameter", "Bedrock chooses this model's batch size itself; leave it to 'auto'.",
                      _WHERE + "batch_size")
    _within(size, family.batch_size, family.batch_size, "batch_size")
    return {"batchSize": str(int(size))}


def shown(family: Family | None, told: object) -> dict[str, Any]:
    """Bedrock's words back in ours, as far as they can be read."""
    if not isinstance(told, Mapping):
        return {}
    numbers = {"n_epochs": _read(told.get("epochCount"), whole=True),
               "batch_size": _read(told.get("batchSize"), whole=True)}
    rate = _read(told.get("learningRate"))
    if family is not None and rate is not None:
        numbers["learning_rate_multiplier"] = float(f"{rate / family.learning_rate[2]:.6g}")
    return {name: value for name, value in numbers.items() if value is not None}


def _read(text: object, *, whole: bool = False) -> float | None:
    try:
        number = float(str(text)[:40])
    except ValueError:
        return None
    if not math.isfinite(number) or not 0 <= number < 1e12:
        return None
    return int(number) if whole else number
