"""Opens the server that a credential belongs to; the only place that names the classes."""

import logging
from collections.abc import Callable

from service.settings import settings
from worker.providers.azure.remote import AzureRemote
from worker.providers.compatible.remote import CompatibleRemote
from worker.providers.credential import Credential
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.remote import AccessRefused, Remote, Unavailable

for _talker in ("openai", "httpx2", "httpcore2"):
    # They tell of requests with their headers, and a server may put whatever it was sent into its own.
    logging.getLogger(_talker).setLevel(logging.WARNING)


def open_remote(credential: Credential) -> Remote:
    """Close it after use. Raises AccessRefused for a secret that no server can be sent, before anything is."""
    if not credential.secret.isascii() or not credential.secret.isprintable() or " " in credential.secret:
        raise AccessRefused("The stored secret contains characters that no header can carry. Store it again.")
    return _OPENERS[credential.provider](credential)
