"""How requests name types of events: as lists without doubles, of names that exist, or of groups of them too."""

from collections.abc import Callable, Collection, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError

from service.events.types import EventType
from service.kit.schemas import PlainStr


def _names_of(type_: str) -> list[str]:
    """All that it is asked for by: its own name, its groups', such as `fine_tuning.job.*`, and `*`."""
    words = type_.split(".")
    return [type_, *(f"{'.'.join(words[:number])}.*" for number in range(1, len(words))), "*"]


_KNOWN = tuple(each.value for each in EventType)
GROUPS = tuple(sorted({name for known in _KNOWN for name in _names_of(known)} - {*_KNOWN}))
"""`*`, which is all of them, and each that some type belongs to."""


def types_among(names: Collection[str]) -> list[str]:
    """The types that any of these names and groups stands for."""
    wanted = {*names}
    return [known for known in _KNOWN if not wanted.isdisjoint(_names_of(known))]


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def known(value: str) -> str:
        if value not in names:
            raise PydanticKnownError("literal_error", {"expected": ", ".join(f"'{each}'" for each in names)})
        return value
    return known


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


EventName = Annotated[PlainStr, AfterValidator(_one_of(_KNOWN)), Field(json_schema_extra={"enum": [*_KNOWN]})]
EventNames = Annotated[list[EventName], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
_Listened = Annotated[PlainStr, AfterValidator(_one_of((*_KNOWN, *GROUPS))),
                      Field(json_schema_extra={"enum": [*_KNOWN, *GROUPS]})]
EventNamesOrGroups = Annotated[list[_Listened], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
