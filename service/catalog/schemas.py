"""Wire shapes of models."""

from datetime import date
from typing import Annotated, Literal

from pydantic import PlainSerializer

from service.kit.schemas import Answer, Deleted

Day = Annotated[date, PlainSerializer(lambda day: day.isoformat(), return_type=str)]


class Model(Answer):
    """A model that can be trained or used, and the day it ends."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    shutdown_date: Day | None = None


class ModelList(Answer):
    """All models at once; this list has no pages."""

    object: Literal["list"] = "list"
    data: list[Model]


class ModelDeleted(Deleted):
    object: Literal["model"] = "model"
