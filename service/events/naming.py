"""How requests name types of events: as lists without doubles, of names that exist and of groups of them."""

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
NAMES_IN_SQL = """array[type, '*'] || array(
    select array_to_string(words[1:number], '.') || '.*'
    from string_to_array(type, '.') as words, generate_series(1, cardinality(words) - 1) as number)"""
"""The same of the column `type` of events; also for types that only a newer process knows."""
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
EventNameOrGroup = Annotated[PlainStr, AfterValidator(_one_of((*_KNOWN, *GROUPS))),
                             Field(json_schema_extra={"enum": [*_KNOWN, *GROUPS]})]
EventNames = Annotated[list[EventNameOrGroup], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
"""Of types and groups."""
