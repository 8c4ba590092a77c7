"""Opens the way to a credential's server: the only place of the poller where providers are told apart."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from service.credentials.operations import OpenCredential
from worker.poller.asking import Door, HTTPDoor, ThreadDoor

Open = Callable[[OpenCredential, aiohttp.ClientSession], Awaitable[Door]]

_OPENAI = "https://api.openai.com/v1"
_AZURE_VERSION = "2025-04-01-preview"
_UNDATED = frozenset({"v1", "preview", "latest"})
"""As worker/providers/azure/remote.py has them, which would bring an SDK of tens of megabytes."""
_BILLED = {"organization": "openai-organization", "project": "openai-project"}
"""Headers of options that say whose jobs are meant."""
_JOBS = "/fine_tuning/jobs"


async def opened(credential: OpenCredential, client: aiohttp.ClientSession) -> Door:
    """Nothing is asked yet."""
    if credential.provider == "azure":
        return _azure(credential, client)
    if credential.provider in {"openai", "compatible"}:
        base = (credential.base_url or _OPENAI).rstrip("/")
        headers = {_BILLED[name]: value for name, value in credential.options.items() if name in _BILLED}
        return HTTPDoor(client, base + _JOBS, headers={"authorization": f"Bearer {credential.secret}", **headers})
    from worker.providers.opening import open_remote  # noqa: PLC0415 - brings SDKs of tens of MB, which few pollers need
    return ThreadDoor(await asyncio.to_thread(open_remote, credential))


def _azure(credential: OpenCredential, client: aiohttp.ClientSession) -> Door:
    """The resource's own address: what people paste may go on with /openai."""
    base = (credential.base_url or "").rstrip("/").removesuffix("/v1").removesuffix("/openai")
    version = _version(credential.options)
    tail = "/openai/v1" if version in _UNDATED else "/openai"
    return HTTPDoor(client, base + tail + _JOBS, headers={"api-key": credential.secret},
                    params={"api-version": version})


def _version(options: Mapping[str, Any]) -> str:
    found = options.get("api_version")
    return found if isinstance(found, str) and found else _AZURE_VERSION
