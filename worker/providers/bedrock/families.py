"""Hyper-parameters between our words and Bedrock's, by the family of the model."""

import math
from collections.abc import Mapping
from typing import Any

from service.catalog.bedrock_models import Family, number, problems
from worker.providers.remote import Refused


def hyperparameters(family: Family, method: Mapping[str, Any], *, has_validation: bool = False) -> dict[str, str]:
    """As Bedrock takes them, without what it is to choose itself. Raises Refused for what it cannot do."""
    if method.get("type") != "supervised":
        raise Refused("method_not_supported", "Bedrock trains by supervised examples only, not by"
                      f" '{method.get('type')}'; choose another provider for it.", "method.type")
    asked = (method.get("supervised") or {}).get("hyperparameters") or {}
    for code, message, param in problems(family, asked, has_validation=has_validation):
        raise Refused(code, message, param)
    epochs, size, rate = (number(asked, name) for name in ("n_epochs", "batch_size", "learning_rate_multiplier"))
    told = {"epochCount": None if epochs is None else str(int(epochs)),
            "batchSize": None if size is None else str(int(size)),
            "learningRate": None if rate is None else f"{rate * family.learning_rate[2]:.6g}"}
    return {name: value for name, value in told.items() if value is not None}


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
        value = float(str(text)[:40])
    except ValueError:
        return None
    if not math.isfinite(value) or not 0 <= value < 1e12:
        return None
    return int(value) if whole else value
