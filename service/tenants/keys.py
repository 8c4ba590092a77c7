"""API keys as text: a prefix for secret scanners, 190 random bits, and a checksum that spots typing errors.

    tw-proj-<32 letters or digits><6 checksum characters>      a project's key
    tw-admin-<32 letters or digits><6 checksum characters>     an administrator's key
"""

import hashlib
import string
import zlib

from service.kit.identifiers import random_text

PROJECT_PREFIX = "tw-proj-"
ADMIN_PREFIX = "tw-admin-"
_RANDOM, _CHECKSUM = 32, 6
_DIGITS = string.digits + string.ascii_letters


def new_key(prefix: str) -> str:
    """A fresh key; show it once and store only `key_hash` of it."""
    body = random_text(_RANDOM)
    return prefix + body + _checksum(prefix + body)


def key_hash(key: str) -> bytes:
    """SHA-256; enough for a secret that nobody can guess."""
    return hashlib.sha256(key.encode()).digest()


def is_well_formed(key: str) -> bool:
    """Whether prefix, length and checksum are right; anything else is refused without asking the database."""
    for prefix in (PROJECT_PREFIX, ADMIN_PREFIX):
        if key.startswith(prefix) and key.isascii() and len(key) == len(prefix) + _RANDOM + _CHECKSUM:
            return _checksum(key[:-_CHECKSUM]) == key[-_CHECKSUM:]
    return False


def redacted(key: str) -> str:
    """What may be shown of a key: its prefix, three characters, and the last four."""
    prefix = next((each for each in (PROJECT_PREFIX, ADMIN_PREFIX) if key.startswith(each)), "")
    return f"{prefix}{key[len(prefix):len(prefix) + 3]}...{key[-4:]}"


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        value, digit = divmod(value, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
