"""Which columns hold what: given as templates of {column}, or guessed from the columns' names."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from service.datasets.conversion.containers import Row
from service.datasets.conversion.examples import Example, Unconvertible, tools_of

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
_ASKED = ("question", "prompt", "instruction", "query", "input", "user", "text", "sentence", "message", "title")
_ANSWERED = ("answer", "response", "completion", "output", "assistant", "label", "target", "reply", "category",
             "summary")
_SHOWN = 500
_MORE = ("context", "passage", "document", "background")


class InvalidMapping(ValueError):
    """It cannot be used; the message says why, and which columns there are."""


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Templates: {column} is replaced by the row's value, {{ and }} are braces. A lone column's name is its value."""

    user: str
    assistant: str | None = None
    system: str | None = None
    preferred: str | None = None
    non_preferred: str | None = None
    tools: str | None = None


def parse(given: dict[str, Any]) -> Mapping:
    """Raises InvalidMapping."""
    try:
        mapping = msgspec.convert(given, Mapping)
    except msgspec.ValidationError as wrong:
        raise InvalidMapping(f"The mapping is wrong: {wrong}. It names user and assistant (or preferred and"
                             " non_preferred), and may name system and tools.") from wrong
    is_pair = mapping.preferred is not None and mapping.non_preferred is not None
    if is_pair == (mapping.assistant is not None) or (mapping.preferred is None) != (mapping.non_preferred is None):
        raise InvalidMapping("The mapping names either assistant, or both preferred and non_preferred.")
    return mapping


def guess(columns: Iterable[str]) -> Mapping | None:
    """A mapping for columns that are named as people name them."""
    known = {name.strip().lower(): name for name in columns}
    asked = next((known[name] for name in _ASKED if name in known), None)
    answered = next((known[name] for name in _ANSWERED if name in known and known[name] != asked), None)
    if asked is None or answered is None:
        return None
    more = next((known[name] for name in _MORE if name in known), None)
    system = known.get("system") or known.get("system_prompt")
    return Mapping(user=f"{{{asked}}}" if more is None else f"{{{more}}}\n\n{{{asked}}}", assistant=f"{{{answered}}}",
                   system=f"{{{system}}}" if system else None)


def reader(mapping: Mapping, columns: Iterable[str]) -> Callable[[Row], Example]:
    """Makes examples of rows. Raises InvalidMapping when it names a column that is not there."""
    known = set(columns)
    filled = {name: _template(name, getattr(mapping, name), known) for name in Mapping.__struct_fields__
              if getattr(mapping, name) is not None}

    def read(row: Row) -> Example:
        said = {name: template(row) for name, template in filled.items()}
        for name in ("user", "assistant", "preferred", "non_preferred"):
            if name in said and not said[name].strip():
                raise Unconvertible(f"'{name}' is empty")
        asked = [{"role": name, "content": said[name]} for name in ("system", "user") if said.get(name)]
        tools = tools_of(said["tools"]) if said.get("tools") else None
        more = {} if tools is None else {"tools": tools}
        if "assistant" in said:
            return {"messages": [*asked, {"role": "assistant", "content": said["assistant"]}], **more}
        return {"input": {"messages": asked},
                "preferred_output": [{"role": "assistant", "content": said["preferred"]}],
                "non_preferred_output": [{"role": "assistant", "content": said["non_preferred"]}]}
    return read


def _template(role: str, template: str, columns: set[str]) -> Callable[[Row], str]:
    if template in columns:
        template = f"{{{template}}}"
    named = [found[1] for found in _PIECE.finditer(template) if found[1]]
    unknown = [name for name in named if name not in columns]
    if not named and role != "system" and len(template.split()) <= 1:  # a slip, and no text to train on in every row
        unknown = [template]
    if unknown:
        raise InvalidMapping(f"There is no column {unknown[0]!r}. Columns are {listed(columns)}.")

    def fill(row: Row) -> str:
        filled = _PIECE.sub(lambda found: _value(row, found[1]) if found[1] else found[0][0], template)
        return filled.strip() if len(named) > 1 else filled  # no gap where one of several columns is empty
    return fill


def listed(columns: Iterable[str]) -> str:
    """The names of columns, the first of very many."""
    return ", ".join(sorted(columns))[:_SHOWN] or "none"


def _value(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool | int | float | str):
        return str(value)
    raise Unconvertible(f"column '{name}' is not a text")
