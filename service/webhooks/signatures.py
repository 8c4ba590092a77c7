"""Standard Webhooks signatures, computed over the very bytes that are sent.

Source: the Standard Webhooks specification 1.0.0, symmetric scheme `v1`.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> bytes:
    """A fresh signing key: 32 random bytes."""
    return secrets.token_bytes(_SECRET_BYTES)


def shown(secret: bytes) -> str:
    """The key as receivers configure it: `whsec_` and base64."""
    return _PREFIX + base64.b64encode(secret).decode()


def hint(secret: bytes) -> str:
    """What may be shown of a key afterwards: its last four characters."""
    return f"{_PREFIX}...{shown(secret)[-4:]}"


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and base64(HMAC-SHA256(secret, id.timestamp.body)); `timestamp` is the attempt's Unix second."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def headers(secrets_: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; one signature for each key, so that receivers can change keys at leisure."""
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets_)}
