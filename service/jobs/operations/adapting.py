"""An old job's method for another model: what it takes stays to the number, what it cannot take is told."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from service.catalog.base_models import BaseModelEntry
from service.catalog.methods import (
    DPOHyperparameters,
    Hyperparameters,
    Method,
    ReinforcementHyperparameters,
    Tuning,
)
from service.jobs.schemas.jobs import Suffix
from service.jobs.schemas.retraining import Adaptation
from service.kit.schemas import JSONObject

_NUMBERS: dict[str, type[Hyperparameters]] = {
    "supervised": Hyperparameters, "dpo": DPOHyperparameters, "reinforcement": ReinforcementHyperparameters}
_OTHERS: dict[str, tuple[str, ...]] = {"supervised": (), "dpo": (), "reinforcement": ("grader", "response_format")}
_SUFFIX: TypeAdapter[str] = TypeAdapter(Suffix)
_SHOWN = 60


class NotAdaptable(Exception):
    """There is no such method for it; the message says why."""


def adapt(method: JSONObject, base: BaseModelEntry, tuning: Tuning | None) -> tuple[Method, list[Adaptation]]:
    """`method` (as a job shows it) as the body of a new job. Raises NotAdaptable."""
    kind = str(method.get("type"))
    inner = method.get(kind)
    configured: JSONObject = inner if isinstance(inner, dict) else {}
    told: list[Adaptation] = []
    body: JSONObject = {"hyperparameters": _numbers(kind, configured.get("hyperparameters"), told)}
    body |= {name: configured[name] for name in _OTHERS.get(kind, ()) if configured.get(name) is not None}
    if kind == "supervised":
        body |= _tuning(configured.get("tuning"), base, tuning, told)
    try:
        return Method.model_validate({"type": kind, kind: body}), told
    except ValidationError as wrong:
        raise NotAdaptable(f"Its method cannot be given here: {wrong.errors()[0]['msg']}") from wrong


def _numbers(kind: str, given: object, told: list[Adaptation]) -> JSONObject:
    known = _NUMBERS.get(kind, Hyperparameters)
    taken: JSONObject = {}
    for name, value in (given.items() if isinstance(given, dict) else ()):
        number = _whole(value)
        if value is None:
            continue
        param = f"method.{kind}.hyperparameters.{name}"
        if name not in known.model_fields:
            told.append(Adaptation(param=param, message=f"'{name[:_SHOWN]}' is not known here and is left out."))
        elif _fits(known, name, number):
            taken[name] = number
        else:
            told.append(Adaptation(param=param, message=f"{str(value)[:_SHOWN]} is not taken here: left to 'auto'."))
    return taken


def _whole(value: Any) -> Any:
    """8.0 is 8: some servers write every number so."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _fits(known: type[Hyperparameters], name: str, value: object) -> bool:
    try:
        known.model_validate({name: value})
    except ValidationError:
        return False
    return True


def _tuning(old: object, base: BaseModelEntry, asked: Tuning | None, told: list[Adaptation]) -> JSONObject:
    allowed = base.methods.get("supervised", ())
    if asked is not None:
        return {"tuning": asked.model_dump(exclude_none=True)}
    kept = old if isinstance(old, dict) and old.get("type") in allowed else None
    if kept is not None:
        return {"tuning": kept}
    if allowed:
        told.append(Adaptation(param="method.supervised.tuning", message=f"{base.id} is trained as {allowed[0]}"
                               + (": its server did not tell which weights moved." if old is None else
                                  ": it is not trained as the old model was.")))
    elif old is not None:
        told.append(Adaptation(param="method.supervised.tuning", message=f"{base.id} leaves no choice of the weights"
                                                                         " that move."))
    return {}


def adapt_suffix(suffix: str | None, told: list[Adaptation]) -> str | None:
    """As new names take it."""
    if not suffix:
        return None
    try:
        _SUFFIX.validate_python(suffix)
    except ValidationError:
        plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in suffix)
        plain = plain.lstrip("._-")[:64]
        told.append(Adaptation(param="suffix", message=f"'{suffix[:_SHOWN]}' becomes '{plain}'."))
        return plain or None
    return suffix
