"""Lines of chat data for tests."""

import json
from typing import Any


def line(**more: Any) -> bytes:
    """One good example, with `more` keys beside its messages."""
    return json.dumps({"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}],
                       **more}).encode() + b"\n"


def lines(number: int = 10) -> bytes:
    return line() * number
