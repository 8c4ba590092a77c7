"""Holds requests and answers to the service model that botocore ships: required members, patterns, sizes, words.

botocore itself checks required members and least lengths only, and moto checks nothing.
"""

import re
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, Shape


class Breach(AssertionError):
    """What the service model does not allow, and where."""


@cache
def operation(name: str) -> OperationModel:
    from botocore.model import ServiceModel  # noqa: PLC0415 - the loader reads megabytes at the first question

    model: OperationModel = ServiceModel(Loader().load_service_model("bedrock", "service-2")).operation_model(name)
    return model


def hold(value: Any, shape: Shape, at: str = "") -> None:
    """Raises Breach for the first thing in `value` that the shape does not allow."""
    checks = {"structure": _structure, "list": _list, "map": _map, "string": _string, "integer": _number,
              "long": _number, "float": _number, "boolean": _boolean, "timestamp": _timestamp}
    checks[shape.type_name](value, shape, at)


def need(is_so: bool, at: str, why: str) -> None:
    if not is_so:
        raise Breach(f"{at or 'request'}: {why}")


def _structure(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, dict), at, "no structure")
    for name in shape.required_members:
        need(name in value, at, f"lacks {name}")
    for name, one in value.items():
        need(name in shape.members, at, f"knows no {name}")
        hold(one, shape.members[name], f"{at}.{name}")


def _list(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, list), at, "no list")
    _sized(len(value), shape, at)
    for place, one in enumerate(value):
        hold(one, shape.member, f"{at}[{place}]")


def _map(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, dict), at, "no map")
    for name, one in value.items():
        hold(name, shape.key, at)
        hold(one, shape.value, f"{at}.{name}")


def _string(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, str), at, "no string")
    _sized(len(value), shape, at)
    pattern = shape.metadata.get("pattern")
    need(pattern is None or re.fullmatch(pattern, value) is not None, at, f"'{value}' does not match {pattern}")
    need(not shape.enum or value in shape.enum, at, f"'{value}' is none of {shape.enum}")


def _number(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, int | float) and not isinstance(value, bool), at, "no number")
    _sized(value, shape, at)


def _boolean(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, bool), at, "no boolean")


def _timestamp(value: Any, shape: Shape, at: str) -> None:
    need(isinstance(value, str | int | float), at, "no time")


def _sized(size: float, shape: Shape, at: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    need((least is None or size >= least) and (most is None or size <= most), at, f"{size} is not in {least}..{most}")
