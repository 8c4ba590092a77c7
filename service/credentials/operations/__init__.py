"""The verbs of credentials: store and change them, choose one, open it, note how its server answered, change keys.

A secret is readable in an OpenCredential only, which shows it to nobody who prints or logs it. Open one in a
transaction, use it after: nothing here waits for a server.
"""

from service.credentials.operations.checking import ask_for_check, failing, hand_over_check, record_check
from service.credentials.operations.choosing import choose, named
from service.credentials.operations.keeping import create, delete, update
from service.credentials.operations.opening import (
    SHORTEST_SECRET,
    OpenCredential,
    Signing,
    open_credential,
    webhook_keys,
)

__all__ = [
    "SHORTEST_SECRET",
    "OpenCredential",
    "Signing",
    "ask_for_check",
    "choose",
    "create",
    "delete",
    "failing",
    "hand_over_check",
    "named",
    "open_credential",
    "record_check",
    "update",
    "webhook_keys",
]
