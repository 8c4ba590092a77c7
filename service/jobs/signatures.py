"""Whether a webhook that somebody sent us is what it says: Standard Webhooks signatures, over the very bytes received.

Source: the Standard Webhooks specification 1.0.0, symmetric scheme `v1`; five minutes of tolerance as in its libraries.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

TOLERANCE_SECONDS = 300
_LONGEST = 1024
"""Characters of a header that are looked at; a sender that changes keys signs twice, not twenty times."""
_LONGEST_TIMESTAMP = 20


def is_genuine(keys: Iterable[bytes], *, message_id: str, timestamp: str, signature: str, body: bytes,
               now: float) -> bool:
    """Whether one of `keys` signed this, about now. Takes whatever stands in the headers."""
    if not message_id or max(len(message_id), len(timestamp), len(signature)) > _LONGEST:
        return False
    if len(timestamp) > _LONGEST_TIMESTAMP or not (timestamp.isascii() and timestamp.isdecimal()):
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    told = [each.removeprefix("v1,").encode(errors="replace") for each in signature.split() if each.startswith("v1,")]
    expected = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    return any(hmac.compare_digest(one, other) for one in told for other in expected)
