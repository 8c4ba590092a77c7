"""Wire types that refuse hostile input once and for all: no NUL, no surrogates, no NaN, bounded everything."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, PlainSerializer


def _plain(value: str) -> str:
    if "\x00" in value:
        raise ValueError("contains a NUL character, which cannot be stored")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("contains an unpaired surrogate, which is not valid Unicode") from None
    return value


PlainStr = Annotated[str, AfterValidator(_plain)]
"""Text that Postgres can store and JSON can carry; each use names its own longest length, which messages tell."""

Timestamp = Annotated[datetime, PlainSerializer(lambda moment: int(moment.timestamp()), return_type=int)]
"""A moment as the wire shows it: whole Unix seconds, UTC."""


ShownId = Annotated[str, Field(validation_alias=AliasChoices("shown_id", "id"))]
"""The id that callers know a row by: for what another server made first, that server's."""

Metadata = Annotated[dict[Annotated[PlainStr, Field(max_length=64)], Annotated[PlainStr, Field(max_length=512)]],
                     Field(max_length=16)]
"""OpenAI's metadata: at most 16 pairs, keys up to 64 and values up to 512 characters."""


class Request(BaseModel):
    """Parent of every request body: strict types, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """Parent of every answer: built from a row's attributes, validated on the way out."""

    model_config = ConfigDict(from_attributes=True, allow_inf_nan=False)


class Deleted(Answer):
    """What a delete answers."""

    id: str
    object: str
    deleted: bool = True


JSONObject = dict[str, Any]
