"""The strict reading of a request to make a job: every field, type and range that the real server checks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.remote import refusals
from tests.remote.refusals import missing_parameter, unknown_parameter, wrong_type, wrong_value

_FIELDS = {"model", "training_file", "validation_file", "suffix", "seed", "metadata", "integrations", "method",
           "hyperparameters"}
_SUPERVISED = ("n_epochs", "batch_size", "learning_rate_multiplier")
_HYPERPARAMETERS = {
    "supervised": _SUPERVISED,
    "dpo": (*_SUPERVISED, "beta"),
    "reinforcement": (*_SUPERVISED, "compute_multiplier", "eval_interval", "eval_samples", "reasoning_effort"),
}
_GRADERS = {"string_check", "text_similarity", "python", "score_model", "label_model", "multi"}


@dataclass(frozen=True, slots=True)
class Order:
    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int | None
    metadata: dict[str, str] | None
    integrations: list[dict[str, Any]]
    method: str
    options: dict[str, Any]


def read(body: Any) -> Order:
    """Raises Refusal for the first thing that is wrong."""
    if not isinstance(body, dict):
        raise refusals.not_json()
    for name in body:
        if name not in _FIELDS:
            raise unknown_parameter(name)
    for name in ("model", "training_file"):
        if body.get(name) is None:
            raise missing_parameter(name)
        _text(name, body[name])
    method, options = _method(body)
    if method == "reinforcement" and body.get("validation_file") is None:
        raise missing_parameter("validation_file")
    return Order(body["model"], body["training_file"], _optional(_text, body, "validation_file"),
                 _optional(_suffix, body, "suffix"), _optional(_seed, body, "seed"),
                 _optional(_metadata, body, "metadata"), _optional(_integrations, body, "integrations") or [],
                 method, options)


def _optional(check: Callable[[str, Any], Any], body: dict[str, Any], name: str) -> Any:
    return None if body.get(name) is None else check(name, body[name])


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, "string", value)
    return value


def _suffix(name: str, value: Any) -> str:
    text = _text(name, value)
    if not text:
        raise wrong_value(name, "empty string. Expected a string with minimum length 1, but got an empty string "
                                "instead.", "empty_string")
    if len(text) > 64:
        raise wrong_value(name, "string too long. Expected a string with maximum length 64, but got a string with "
                                f"length {len(text)} instead.", "string_above_max_length")
    return text


def _seed(name: str, value: Any) -> int:
    return _integer(name, value, 0, 2**31 - 1)


def _integer(name: str, value: Any, low: int, high: int | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "integer", value)
    if value < low:
        raise wrong_value(name, f"integer below minimum value. Expected a value >= {low}, but got {value} instead.",
                          "integer_below_min_value")
    if high is not None and value > high:
        raise wrong_value(name, f"integer above maximum value. Expected a value <= {high}, but got {value} instead.",
                          "integer_above_max_value")
    return value


def _number(name: str, value: Any, above: float, high: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "number", value)
    if not value > above or (high is not None and value > high):
        upto = "" if high is None else f" and <= {high}"
        raise wrong_value(name, f"decimal out of range. Expected a value > {above}{upto}, but got {value} instead.",
                          "decimal_out_of_range")
    return float(value)


def _metadata(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise wrong_type(name, "object", value)
    if len(value) > 16:
        raise wrong_value(name, "too many properties. Expected an object with at most 16 properties, but got an "
                                f"object with {len(value)} properties instead.", "object_above_max_properties")
    for key, each in value.items():
        if len(key) > 64:
            raise wrong_value(f"{name}.{key[:64]}", "property name too long. Expected a name with maximum length 64, "
                              f"but got a name with length {len(key)} instead.", "property_name_above_max_length")
        if not isinstance(each, str):
            raise wrong_type(f"{name}.{key}", "string", each)
        if len(each) > 512:
            raise wrong_value(f"{name}.{key}", "string too long. Expected a string with maximum length 512, but got "
                              f"a string with length {len(each)} instead.", "string_above_max_length")
    return value


def _integrations(name: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise wrong_type(name, "array", value)
    if len(value) > 5:
        raise wrong_value(name, "array too long. Expected an array with maximum length 5.", "array_above_max_length")
    for place, each in enumerate(value):
        if not isinstance(each, dict):
            raise wrong_type(f"{name}[{place}]", "object", each)
        if each.get("type") != "wandb":
            raise wrong_value(f"{name}[{place}].type", "expected 'wandb'.")
        if not isinstance(each.get("wandb"), dict) or not isinstance(each["wandb"].get("project"), str):
            raise missing_parameter(f"{name}[{place}].wandb.project")
    return value


def _method(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    method, older = body.get("method"), body.get("hyperparameters")
    if method is None:
        return "supervised", {"hyperparameters": _hyperparameters("supervised", "hyperparameters", older)}
    if not isinstance(method, dict):
        raise wrong_type("method", "object", method)
    if older is not None:
        raise wrong_value("hyperparameters", "cannot be given together with 'method'.")
    kind = method.get("type")
    if kind is None:
        raise missing_parameter("method.type")
    if kind not in _HYPERPARAMETERS:
        raise wrong_value("method.type", f"'{kind}' is not one of {list(_HYPERPARAMETERS)}.")
    for name in method:
        if name not in {"type", kind}:
            raise unknown_parameter(f"method.{name}")
    given = method.get(kind) or {}
    if not isinstance(given, dict):
        raise wrong_type(f"method.{kind}", "object", given)
    return kind, _options(kind, given)


def _options(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    known = {"hyperparameters"} | ({"grader", "response_format"} if kind == "reinforcement" else set())
    for name in given:
        if name not in known:
            raise unknown_parameter(f"method.{kind}.{name}")
    options: dict[str, Any] = {"hyperparameters": _hyperparameters(kind, f"method.{kind}.hyperparameters",
                                                                   given.get("hyperparameters"))}
    if kind != "reinforcement":
        return options
    grader = given.get("grader")
    if grader is None:
        raise missing_parameter("method.reinforcement.grader")
    if not isinstance(grader, dict):
        raise wrong_type("method.reinforcement.grader", "object", grader)
    if grader.get("type") not in _GRADERS:
        raise wrong_value("method.reinforcement.grader.type", f"is not one of {sorted(_GRADERS)}.")
    return options | {"grader": grader, "response_format": given.get("response_format")}


def _hyperparameters(kind: str, where: str, given: Any) -> dict[str, Any]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise wrong_type(where, "object", given)
    known = _HYPERPARAMETERS[kind]
    for name in given:
        if name not in known:
            raise unknown_parameter(f"{where}.{name}")
    return {name: _hyperparameter(f"{where}.{name}", name, given.get(name)) for name in known}


def _hyperparameter(where: str, name: str, value: Any) -> Any:
    if name == "reasoning_effort":
        if value not in {None, "default", "low", "medium", "high"}:
            raise wrong_value(where, f"'{value}' is not one of ['default', 'low', 'medium', 'high'].")
        return value or "default"
    if value is None or value == "auto":
        return "auto"
    if name in {"learning_rate_multiplier", "beta", "compute_multiplier"}:
        above, high = {"beta": (0, 2), "compute_multiplier": (1e-5, 10)}.get(name, (0, None))
        return _number(where, value, above, high)
    high = {"n_epochs": 50, "batch_size": 256}.get(name)
    return _integer(where, value, 1, high)
