"""Wire shapes of models."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from service.kit.schemas import Answer, Deleted, PlainStr, Request, Timestamp

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


Name = Annotated[PlainStr, Field(min_length=1, max_length=256)]


class ModelMappingCreate(Request):
    model: Name = Field(description="The name that callers use. It may be one that this house does not know, such as"
                                    " that of a model that died elsewhere.")
    successor: Name = Field(description="A model of GET /v1/models, which answers in its place.")
    always: bool = Field(default=False, description="Answer in its place even while it lives.")


class ModelMappingUpdate(Request):
    """Fields that are left out stay as they are."""

    successor: Name | None = Field(None, description="A model of GET /v1/models, which answers in its place.")
    always: bool | None = Field(None, description="Answer in its place even while it lives.")


class ModelMapping(Answer):
    """Which model answers in the place of another once that is dead, or always. Not in OpenAI's API."""

    id: str
    object: Literal["model_mapping"] = "model_mapping"
    created_at: Timestamp
    model: str
    successor: str
    always: bool
    created_by: str = Field(description="The key or service account that made or last changed it, or the job"
                                        " whose model it names.")


class ModelMappingDeleted(Deleted):
    object: Literal["model_mapping"] = "model_mapping"
