"""Prefixed random identifiers, so that an id says what it names wherever it turns up."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 24  # 62**24 is 143 bits: no two meet, and none is guessed


def new_id(prefix: str) -> str:
    """A new id such as `new_id("ftjob-")` → "ftjob-" and 24 letters or digits."""
    return prefix + random_text(_LENGTH)


def random_text(length: int) -> str:
    """Letters and digits from the system's random source."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
