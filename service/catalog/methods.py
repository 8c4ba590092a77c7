"""How a model is trained: typed hyper-parameters in OpenAI's ranges, tunings, and what "auto" comes to."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from service.catalog.base_models import MethodName, TuningName
from service.kit.schemas import JSONObject, Request

AUTO: Literal["auto"] = "auto"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""LoRA ranks that the serving engine can load."""
_LARGEST = 1e300


def _auto_or(kind: type[int] | type[float], low: float, high: float, *, above: bool) -> Callable[[object], object]:
    """A validator for "auto" or a number from `low` (or above it) to `high`."""
    span = f"greater than {low:g}" if above else f"from {low:g}" + ("" if high == _LARGEST else f" to {high:g}")

    def check(value: object) -> object:
        if value == AUTO:
            return AUTO
        if isinstance(value, str):
            noun = "an integer" if kind is int else "a number"
            raise PydanticCustomError("auto_or_number", "expected 'auto' or {noun} {span}",
                                      {"noun": noun, "span": span})
        if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and isinstance(value, float)):
            raise PydanticKnownError("int_type" if kind is int else "float_type")
        if above and not value > low:
            raise PydanticKnownError("greater_than", {"gt": kind(low)})
        if value < low:
            raise PydanticKnownError("greater_than_equal", {"ge": kind(low)})
        if value > high or not math.isfinite(value):
            raise PydanticKnownError("less_than_equal", {"le": kind(high)})
        return kind(value)

    return check


def _schema(kind: str, **bounds: float) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string", "enum": ["auto"]}, {"type": kind, **bounds}]})


Epochs = Annotated[int | Literal["auto"], PlainValidator(_auto_or(int, 1, 50, above=False)),
                   _schema("integer", minimum=1, maximum=50)]
BatchSize = Annotated[int | Literal["auto"], PlainValidator(_auto_or(int, 1, 256, above=False)),
                      _schema("integer", minimum=1, maximum=256)]
Rate = Annotated[float | Literal["auto"], PlainValidator(_auto_or(float, 0, _LARGEST, above=True)),
                 _schema("number", exclusiveMinimum=0)]
Beta = Annotated[float | Literal["auto"], PlainValidator(_auto_or(float, 0, 2, above=True)),
                 _schema("number", exclusiveMinimum=0, maximum=2)]
Multiplier = Annotated[float | Literal["auto"], PlainValidator(_auto_or(float, 1e-5, 10, above=True)),
                       _schema("number", exclusiveMinimum=1e-5, maximum=10)]
Count = Annotated[int | Literal["auto"], PlainValidator(_auto_or(int, 1, 2**31 - 1, above=False)),
                  _schema("integer", minimum=1)]


class Hyperparameters(Request):
    """What every method has, and all that `supervised` has."""

    n_epochs: Epochs = AUTO
    batch_size: BatchSize = AUTO
    learning_rate_multiplier: Rate = AUTO


class DPOHyperparameters(Hyperparameters):
    beta: Beta = AUTO


class ReinforcementHyperparameters(Hyperparameters):
    reasoning_effort: Literal["default", "low", "medium", "high"] = "default"
    compute_multiplier: Multiplier = AUTO
    eval_interval: Count = AUTO
    eval_samples: Count = AUTO


_BELONGS = {"rank": "lora", "alpha": "lora", "dropout": "lora", "layers": "last_layers"}


class Tuning(Request):
    """Which weights move: `lora` adds adapters, `full` moves all, `last_layers` the last blocks and the head.

    An extension of this house, beside the hyper-parameters of `supervised`.
    """

    type: TuningName = "lora"
    rank: int | None = Field(None, description="LoRA rank; one of 1, 8, 16, 32, 64, 128, 256, 320, 512.")
    alpha: float | None = Field(None, gt=0, le=65_536, description="LoRA scale; default twice the rank.")
    dropout: float | None = Field(None, ge=0, le=0.5, description="LoRA dropout; default 0.")
    layers: int | None = Field(None, ge=1, le=1024, description="How many of the last blocks move; default 2.")

    @model_validator(mode="after")
    def _fields_fit_type(self) -> "Tuning":
        for field, owner in _BELONGS.items():
            if getattr(self, field) is not None and self.type != owner:
                raise PydanticCustomError("foreign_field", "'{field}' belongs to the tuning '{owner}' and means"
                                          " nothing for '{type}'; leave it out or change the type",
                                          {"field": field, "owner": owner, "type": self.type})
        if self.rank is not None and self.rank not in RANKS:
            raise PydanticCustomError("rank", "rank {rank} is not one of {ranks}",
                                      {"rank": str(self.rank)[:20], "ranks": ", ".join(map(str, RANKS))})
        return self

    def shown(self) -> JSONObject:
        """With its defaults filled in, and without what it does not use."""
        if self.type == "lora":
            rank = self.rank or 16
            return {"type": "lora", "rank": rank, "alpha": self.alpha or 2.0 * rank, "dropout": self.dropout or 0.0}
        return {"type": "last_layers", "layers": self.layers or 2} if self.type == "last_layers" else {"type": "full"}


class SupervisedMethod(Request):
    hyperparameters: Hyperparameters = Hyperparameters()
    tuning: Tuning | None = None


class DPOMethod(Request):
    hyperparameters: DPOHyperparameters = DPOHyperparameters()


class ReinforcementMethod(Request):
    grader: JSONObject
    hyperparameters: ReinforcementHyperparameters = ReinforcementHyperparameters()
    response_format: JSONObject | None = None


class Method(Request):
    """The method of a job; the object named like `type` configures it, and the others must be absent."""

    type: MethodName
    supervised: SupervisedMethod | None = None
    dpo: DPOMethod | None = None
    reinforcement: ReinforcementMethod | None = None

    @model_validator(mode="after")
    def _only_its_own_configuration(self) -> "Method":
        for name in ("supervised", "dpo", "reinforcement"):
            if name != self.type and getattr(self, name) is not None:
                raise PydanticCustomError("foreign_method", "'{name}' configures another method than the type"
                                          " '{type}'; leave it out or change the type",
                                          {"name": name, "type": self.type})
        if self.type == "reinforcement" and self.reinforcement is None:
            raise PydanticCustomError("no_grader", "the type 'reinforcement' needs 'reinforcement' with a grader")
        return self

    def shown(self, tuning: Tuning | None = None) -> JSONObject:
        """The method as a job shows it, every default filled in and "auto" left as it is."""
        chosen = getattr(self, self.type) or (DPOMethod() if self.type == "dpo" else SupervisedMethod())
        body: JSONObject = chosen.model_dump(exclude_none=True)
        if isinstance(chosen, SupervisedMethod):
            body["tuning"] = (tuning or chosen.tuning or Tuning()).shown()
        return {"type": self.type, self.type: body}


def auto_epochs(examples: int) -> int:
    """Three passes, more over small files and fewer over huge ones: the rule of OpenAI's cookbook
    (Chat_finetuning_data_prep), which aims at 100 to 25,000 examples seen and at most 25 passes."""
    if examples * 3 < 100:
        return min(25, 100 // max(1, examples))
    if examples * 3 > 25_000:
        return max(1, 25_000 // examples)
    return 3


def auto_batch_size(examples: int) -> int:
    """About 0.2 % of the examples, as OpenAI's first guide chose it, from 1 to 256."""
    return max(1, min(256, round(examples * 0.002)))


AUTO_RATE = 1.0
"""The local trainer's base rates are chosen per tuning, so there is nothing left to scale."""


def resolve(method: JSONObject, examples: int) -> JSONObject:
    """`method` (as a job shows it) with the numbers that "auto" comes to for this many training examples."""
    kind: str = method["type"]
    rules: dict[str, Any] = {"n_epochs": auto_epochs(examples), "batch_size": auto_batch_size(examples),
                             "learning_rate_multiplier": AUTO_RATE}
    chosen = method[kind]["hyperparameters"]
    numbers = {name: rules.get(name, value) if value == AUTO else value for name, value in chosen.items()}
    return {**method, kind: {**method[kind], "hyperparameters": numbers}}
