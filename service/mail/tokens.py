"""Signs what a link in a mail may do, so that it needs no key and works for whoever got the mail, and for no other."""

import base64
import hashlib
import hmac
import secrets
from enum import StrEnum

_SECRET_BYTES = 32
_MAC_BYTES = 24
LONGEST = 200


class Purpose(StrEnum):
    """The purposes; what is signed for one does nothing for another."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def token(secret: bytes, subscription_id: str, purpose: Purpose) -> str:
    """The subscription's id and a signature, fit for a URL."""
    mac = hmac.digest(secret, f"{purpose}.{subscription_id}".encode(), hashlib.sha256)[:_MAC_BYTES]
    return f"{subscription_id}.{base64.urlsafe_b64encode(mac).decode()}"


def subscription_of(given: str) -> str:
    """Which subscription a token is about, if it is genuine."""
    return given.partition(".")[0]


def is_genuine(given: str, secret: bytes, subscription_id: str, purpose: Purpose) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token(secret, subscription_id, purpose).encode())
