"""Opens the way to a credential's server: the only place of the poller where providers are told apart."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from service.credentials import addresses
from service.credentials.operations import OpenCredential
from worker.poller.asking import Door, HTTPDoor, ThreadDoor

Open = Callable[[OpenCredential, aiohttp.ClientSession], Awaitable[Door]]

_JOBS = "/fine_tuning/jobs"


async def opened(credential: OpenCredential, client: aiohttp.ClientSession) -> Door:
    """Nothing is asked yet."""
    if credential.provider == "azure":
        return _azure(credential, client)
    if credential.provider in {"openai", "compatible"}:
        base = (credential.base_url or addresses.OPENAI_URL).rstrip("/")
        headers = addresses.billed(credential.provider, credential.options)
        return HTTPDoor(client, base + _JOBS, headers={"authorization": f"Bearer {credential.secret}", **headers})
    from worker.providers.opening import open_remote  # noqa: PLC0415 - brings SDKs of tens of MB, which few pollers need
    return ThreadDoor(await asyncio.to_thread(open_remote, credential))


def _azure(credential: OpenCredential, client: aiohttp.ClientSession) -> Door:
    base, version = addresses.azure_endpoint(credential.base_url), addresses.azure_version(credential.options)
    tail = "/openai/v1" if version in addresses.AZURE_UNDATED else "/openai"
    return HTTPDoor(client, base + tail + _JOBS, headers={"api-key": credential.secret},
                    params={"api-version": version})
