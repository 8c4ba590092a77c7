"""Webhooks of the simulated server: signed as Standard Webhooks are, sent again until taken, and spoiled on demand."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.remote.accounts import Account
from tests.remote.jobs import Job
from tests.remote.names import Names

SECRET = "whsec_" + base64.b64encode(b"simulated webhooks, 32 bytes key").decode()
_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each attempt."""


@dataclass
class Endpoint:
    key: str
    "Of the project whose jobs it hears of."
    url: str
    secret: str = SECRET
    times: int = 1
    "How often each is sent, under one id."
    forged: bool = False
    scatter: float = 0.0
    "Up to how many seconds each is held back, so that they arrive in another order."
    type: str | None = None
    "Told in place of the true type."


class Webhooks:
    def __init__(self, seed: int = 0) -> None:
        self.endpoints: list[Endpoint] = []
        self.delivered = self.failed = 0
        self._names = Names(seed)
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        self.endpoints.clear()
        for task in self._tasks:
            task.cancel()

    def job_ended(self, account: Account, job: Job) -> None:
        for endpoint in self.endpoints:
            if endpoint.key in account.keys:
                self.send(endpoint, endpoint.type or f"fine_tuning.job.{job.status}", job.id)

    def send(self, endpoint: Endpoint, kind: str, job_id: str) -> None:
        body = {"id": self._names.webhook_event(), "object": "event", "created_at": int(time.time()), "type": kind,
                "data": {"id": job_id}}
        delivery = self._names.delivery()
        for _ in range(endpoint.times):
            task = asyncio.create_task(self._deliver(endpoint, delivery, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, endpoint: Endpoint, delivery: str, body: dict[str, Any]) -> None:
        await asyncio.sleep(self._random.uniform(0, endpoint.scatter))
        content = json.dumps(body).encode()
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            if await self._post(endpoint, delivery, content):
                self.delivered += 1
                return
        self.failed += 1

    async def _post(self, endpoint: Endpoint, delivery: str, content: bytes) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        moment = str(int(time.time()))
        secret = SECRET[::-1] if endpoint.forged else endpoint.secret
        headers = {"webhook-id": delivery, "webhook-timestamp": moment, "content-type": "application/json",
                   "webhook-signature": sign(secret, delivery, moment, content),
                   "user-agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"}
        try:
            async with self._session.post(endpoint.url, data=content, headers=headers,
                                          allow_redirects=False) as answer:
                return answer.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def close(self) -> None:
        self.forget()
        if self._session is not None:
            await self._session.close()


def sign(secret: str, delivery: str, moment: str, content: bytes) -> str:
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    digest = hmac.new(key, f"{delivery}.{moment}.".encode() + content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
