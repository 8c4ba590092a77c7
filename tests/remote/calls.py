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

    async def json(self) -> Any:
        try:
            return json.loads(await self.request.read())
        except (ValueError, RecursionError):
            raise refusals.not_json() from None


Route = Callable[[Call], Awaitable[web.StreamResponse]]


def answer(body: Any) -> web.Response:
    return web.json_response(body)
