"""One authenticated request at the simulated server, as its routes see it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from tests.remote import refusals
from tests.remote.accounts import Account
from tests.remote.world import World

Face = Literal["openai", "azure"]


@dataclass(frozen=True, slots=True)
class Call:
    world: World
    account: Account
    request: web.Request
    face: Face

    @property
    def now(self) -> float:
        return self.world.clock.now()

    def name(self, part: str) -> str:
        return self.request.match_info[part]

    @property
    def is_dated(self) -> bool:
        """Whether Azure's older paths were used, with an api-version: they have words of their own."""
        return self.face == "azure" and not self.request.path.startswith("/openai/v1/")

    @property
    def made(self) -> int:
        """The status of an answer to something that was made."""
        return 201 if self.is_dated else 200

    async def json(self) -> Any:
        try:
            return json.loads(await self.request.read())
        except (ValueError, RecursionError):
            raise refusals.not_json() from None


Route = Callable[[Call], Awaitable[web.StreamResponse]]


def answer(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)
