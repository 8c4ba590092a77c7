"""Opens the server that a credential belongs to; the only place that names the classes."""

import logging
from collections.abc import Callable
from importlib import import_module
from typing import cast

from service.kit import addresses
from service.settings import settings
from worker.providers.credential import Credential
from worker.providers.remote import AccessRefused, Remote, Unusable

_CLASSES = {
    "openai": "worker.providers.openai.remote:OpenAIRemote",
    "azure": "worker.providers.azure.remote:AzureRemote",
    "compatible": "worker.providers.compatible.remote:CompatibleRemote",
    "bedrock": "worker.providers.bedrock.provider:Bedrock",
}
"""Imported when they are wanted: each brings an SDK of tens of megabytes."""
_TALKERS = ("openai", "httpx2", "httpcore2", "boto3", "botocore", "s3transfer", "urllib3")


def open_remote(credential: Credential) -> Remote:
    """Close it after use. Raises Unusable or AccessRefused for what no request can be made with."""
    module, name = _CLASSES[credential.provider].split(":")
    opener = cast("Callable[..., Remote]", getattr(import_module(module), name))
    _hush()
    allow_private = settings().remote_allow_private
    if credential.provider == "bedrock":
        if credential.base_url is not None and not allow_private:  # boto3 looks at no address when it connects
            raise Unusable("invalid_base_url", "A base URL for Bedrock needs"
                           " TUNEWORKS_REMOTE_ALLOW_PRIVATE: AWS itself needs none.")
        return opener(credential)
    _check(credential, allow_private=allow_private)
    return opener(credential, allow_private=allow_private)


def _hush() -> None:
    """SDKs tell of headers at DEBUG, and a server may repeat in its own whatever it was sent."""
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _check(credential: Credential, *, allow_private: bool) -> None:
    if not credential.secret or not credential.secret.isascii() or any(
            not char.isprintable() or char.isspace() for char in credential.secret):
        raise AccessRefused("The stored secret is empty or contains what no header can carry. Store it again.")
    if credential.base_url is None:
        if credential.provider != "openai":
            raise Unusable("invalid_base_url", "The credential names no base URL.")
        return
    try:
        addresses.check_url(credential.base_url, allow_private=allow_private)
    except addresses.InvalidURL as invalid:
        reason = str(invalid)
    else:
        return
    raise Unusable("invalid_base_url", f"The credential's base URL {reason}.")
