"""What one kind of private data looks like: a trigger for the fast pass, an exact pattern, and a check of the value."""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Sort = Literal["secret", "personal", "contact"]
"""A secret opens something; personal data identifies a person; a contact is how one is reached or where one lives."""

Check = Callable[[bytes, re.Match[bytes]], bool]


def always(_value: bytes, _match: re.Match[bytes]) -> bool:
    return True


@dataclass(frozen=True)
class Detector:
    """The group `value` of `pattern`, or all of it, is what is found, once `check` accepts it."""

    kind: str
    "As counted in a report."
    name: str
    "As said in a message: `an e-mail address`."
    sort: Sort
    placeholder: str
    triggers: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    check: Check = always
    reach: int = 96
    "Bytes before the end of a trigger's match in which the pattern may begin."
    ahead: int = 96
    "Bytes after it in which the pattern is looked for; a match that meets the end of them is followed further."
    shown: int = 4
    "Last characters of a value that a finding may show."
    cost: int = 1
    "How long a check takes, against that of a key."


_PLACEHOLDERS = re.compile(
    rb"(?i)example|your|my[_-]?(?:api|secret|key|token|pass)|placeholder|changeme|change[_-]me|dummy|sample|redacted"
    rb"|insert"
    rb"|replace|passw|p@ss|p4ss|12345|abcdefg|qwerty|x{4}|\*{3}|\.{3}|0{6}|<|\$\{|\{\{|%s|todo|fake")


def is_placeholder(value: bytes) -> bool:
    """Whether a value was written to stand for another: YOUR_API_KEY, xxxx, password123."""
    return _PLACEHOLDERS.search(value) is not None or len(set(value)) < 4


def entropy(value: bytes) -> float:
    """Bits for each character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


def looks_random(value: bytes, *, bits: float = 3.0) -> bool:
    """Whether a machine made it: no words joined by hyphens, no repeated character."""
    mixed = re.search(rb"\d", value) or (re.search(rb"[a-z]", value) and re.search(rb"[A-Z]", value))
    return bool(mixed) and not is_placeholder(value) and entropy(value) >= bits
