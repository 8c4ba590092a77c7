"""Verifies a webhook; standard library only."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> None:
    """Raises ValueError unless `body`, the bytes as they arrived, was signed with `secret` within five minutes.

    `headers` are looked up by their lower-case names.
    """
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signatures = (headers.get(name) or "" for name in names)
    if not abs((time.time() if now is None else now) - int(timestamp)) <= 300:
        raise ValueError("the message is too old, or from the future")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    if not any(hmac.compare_digest(each.encode(), expected) for each in signatures.split()):
        raise ValueError("no signature is right")
