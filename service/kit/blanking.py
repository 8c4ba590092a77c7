"""Takes API keys out of what others say: whole ones, and those that a server repeats with its middle masked."""

import re
from collections.abc import Iterable

HIDDEN = "[secret]"
SHORTEST_SECRET = 8
"""Shorter ones are words ("none", "EMPTY") that local servers take; to blank them would spoil every text."""
_SHOWN = 4
_KEY = re.compile(r"(?<![\w-])sk-(?:[\w-]{0,256}(?:\*|\.\.|\u2026)[\w*.\u2026-]*[\w*-]|(?=\D{0,256}\d)[\w-]{20,})")
"""As OpenAI's are issued or masked."""


def without(words: str, secrets: Iterable[str | None]) -> str:
    """`words` without any of these, as they are."""
    for secret in secrets:
        if secret and len(secret) >= SHORTEST_SECRET:
            words = words.replace(secret, HIDDEN)
    return words


def without_keys(words: str, secrets: Iterable[str | None]) -> str:
    """The same, and without what looks like a key, or begins and ends as one of the secrets does."""
    known = [secret for secret in secrets if secret and len(secret) >= SHORTEST_SECRET]
    words = without(words, known)
    for secret in known:
        if len(secret) > 2 * _SHOWN:
            begin, end = re.escape(secret[:_SHOWN]), re.escape(secret[-_SHOWN:])
            masked = rf"(?<![\w-]){begin}[^\s\"'<>]{{0,512}}?{end}(?![\w-])"
            words = re.sub(masked, HIDDEN, words)
    return _KEY.sub(HIDDEN, words)
