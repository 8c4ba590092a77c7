"""Opens the way to a credential's server: the only place of the poller where providers are told apart."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from service.credentials.operations import OpenCredential
from worker.poller.asking import Door, HTTPDoor, ThreadDoor

Open = Callable[[OpenCredential, aiohttp.ClientSession], Awaitable[Door]]

_OPENAI = "https://api.openai.com/v1"
_AZURE_VERSION = "2024-10-21"
_JOBS = "/fine_tuning/jobs"


async def opened(credential: OpenCredential, client: aiohttp.ClientSession) -> Door:
    """Nothing is asked yet."""
    if credential.provider == "azure":
        return _azure(credential, client)
    if credential.provider in {"openai", "compatible"}:
        base = (credential.base_url or _OPENAI).rstrip("/")
        return HTTPDoor(client, base + _JOBS, headers={"authorization": f"Bearer {credential.secret}"})
    from worker.providers.opening import open_remote  # noqa: PLC0415 - brings SDKs of tens of MB, which few pollers need
    return ThreadDoor(await asyncio.to_thread(open_remote, credential))


def _azure(credential: OpenCredential, client: aiohttp.ClientSession) -> Door:
    base = (credential.base_url or "").rstrip("/")
    if not base.endswith("/openai"):
        base += "/openai"
    return HTTPDoor(client, base + _JOBS, headers={"api-key": credential.secret},
                    params={"api-version": _version(credential.options)})


def _version(options: Mapping[str, Any]) -> str:
    found = options.get("api_version")
    return found if isinstance(found, str) and found else _AZURE_VERSION
