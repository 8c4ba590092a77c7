"""Where each provider answers, which version of its API is spoken, and what a credential's options add to requests.

For all who ask with a credential: the API process, the pollers and the workers.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

OPENAI_URL = "https://api.openai.com/v1"
AZURE_VERSION = "2025-04-01-preview"
"""Spoken when the credential names none."""
AZURE_UNDATED = frozenset({"v1", "preview", "latest"})
"""Versions of Azure's newer API, whose paths say so and whose bodies name the deployment."""
_BILLED = {"organization": "openai-organization", "project": "openai-project"}


def billed(provider: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Headers that say whose jobs and chats are meant, of the key's organizations and projects."""
    if provider != "openai":
        return {}
    told = {header: options.get(option) for option, header in _BILLED.items()}
    return {header: value for header, value in told.items() if is_header(value)}


def is_header(value: object) -> TypeGuard[str]:
    """Whether it may stand in a header as it is."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def azure_endpoint(base_url: str | None) -> str:
    """The resource's own address: what people paste may go on with /openai or /openai/v1."""
    return (base_url or "").rstrip("/").removesuffix("/v1").removesuffix("/openai")


def door(provider: str, base_url: str | None) -> str | None:
    """Where a credential leads, the same for all that lead to one server; None where the provider's name says it."""
    if provider == "azure":
        return azure_endpoint(base_url)
    return (base_url or (OPENAI_URL if provider == "openai" else "")).rstrip("/") or None


def azure_version(options: Mapping[str, Any]) -> str:
    wanted = options.get("api_version")
    return wanted if isinstance(wanted, str) and wanted else AZURE_VERSION
