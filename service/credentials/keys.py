"""The keys that a provider's webhooks are checked with, as its signing secret tells them."""

import base64
import binascii

PREFIX = "whsec_"
_SHORTEST = 16
"""Bytes; with fewer, somebody might guess them."""


def signing_keys(shown: str) -> tuple[bytes, ...]:
    """Standard Webhooks: base64 behind whsec_. Without that, senders differ: the characters themselves, or base64."""
    decoded = _decoded(shown.removeprefix(PREFIX))
    if shown.startswith(PREFIX):
        return (decoded,) if decoded else (shown.encode(),)
    return (shown.encode(), decoded) if decoded else (shown.encode(),)


def can_sign(shown: str) -> bool:
    """Whether it is a signing secret that nobody guesses."""
    key = (_decoded(shown.removeprefix(PREFIX)) or b"") if shown.startswith(PREFIX) else shown.encode()
    return len(key) >= _SHORTEST


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
