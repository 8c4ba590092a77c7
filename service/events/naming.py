"""How requests name types of events: as a list without doubles, of names that exist."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError

from service.events.types import EventType
from service.kit.schemas import PlainStr

_KNOWN = tuple(each.value for each in EventType)


def _known(value: str) -> str:
    if value not in _KNOWN:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(f"'{each}'" for each in _KNOWN)})
    return value


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


EventName = Annotated[PlainStr, AfterValidator(_known), Field(json_schema_extra={"enum": list(_KNOWN)})]
EventNames = Annotated[list[EventName], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
