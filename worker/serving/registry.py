"""Knows which names are served, brings their weights in once, and lets idle adapters go when room is short.

    unknown --load--> loading --> ready <--> cold (an adapter without a slot; the next request brings it back)
                         |          |
                         +-refused  +--unload--> unknown (weights leave when the last request in flight ends)

Everything here runs on the event loop, so a few lines without `await` are a transaction.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from . import adapters, bases
from .engine import Engine
from .lane import Lane
from .refusals import Refusal, invalid, not_now, unknown_model


@dataclass(frozen=True)
class Limits:
    """How much is held at once; `load_wait` and `answer_within` are in seconds, the others in their own unit."""

    max_adapters: int = 16
    max_rows: int = 8
    max_batch_tokens: int = 32768
    max_context: int = 8192
    default_max_tokens: int = 1024
    load_wait: float = 20.0
    answer_within: float = 300.0
    allow_unverified: bool = False


@dataclass(eq=False)
class Served:
    """One name: a base (with its lane) or an adapter on a base (with its key in the lane, once attached)."""

    name: str
    path: str
    base: "Served | None" = None
    created: int = field(default_factory=lambda: int(time.time()))
    lane: Lane | None = None
    key: str | None = None
    loading: "asyncio.Task[None] | None" = None
    in_flight: int = 0
    last_used: float = 0.0
    is_retired: bool = False

    @property
    def is_ready(self) -> bool:
        return self.key is not None and self.lane is not None

    def card(self) -> dict[str, Any]:
        """vLLM's model card; `resident` is ours and says whether the weights are in memory now."""
        context = self.lane.base.context if self.lane else None
        parent = self.base.name if self.base else None
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "tuneworks",
                "root": self.path, "parent": parent, "max_model_len": context, "resident": self.is_ready}  # fmt: skip


class Registry:
    """The served names; every refusal is a `Refusal`."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.limits = limits
        self._engine = engine
        self._served: dict[str, Served] = {}
        self._slots: list[Served] = []
        self._keys = itertools.count(1)
        self._background: set[asyncio.Task[None]] = set()

    def cards(self) -> list[dict[str, Any]]:
        return [served.card() for served in self._served.values() if served.lane is not None]

    async def load_model(self, name: str, path: str) -> bool:
        """Serve a base or full fine-tune; False when this name and path were served already."""
        return await self._load(Served(name, path), param="model_name")

    async def load_adapter(self, name: str, path: str, base_model: str | None) -> bool:
        """Serve an adapter on a base that is loaded; False when it was served already."""
        return await self._load(Served(name, path, base=self._base_for(base_model)), param="lora_name")

    def _base_for(self, name: str | None) -> Served:
        loaded = [served for served in self._served.values() if served.base is None]
        fitting = [served for served in loaded if name in {None, served.name}]
        if len(fitting) == 1:
            return fitting[0]
        if not loaded:
            raise not_now("No base model is loaded yet.", code="no_base_model")
        names = ", ".join(served.name for served in loaded)
        message = f"'base_model' must name one of the loaded bases: {names}."
        raise invalid(message, param="base_model", code="base_model_not_found" if name else None)

    async def _load(self, wanted: Served, *, param: str) -> bool:
        if not wanted.name or not wanted.path:
            raise invalid(f"Both '{param}' and a path must be provided.", param=param)
        known = self._served.get(wanted.name)
        if known is not None and (known.path != wanted.path or (known.base is None) != (wanted.base is None)):
            message = f"'{wanted.name}' has already been loaded from another path; names are immutable."
            raise invalid(message, param=param, code="name_taken")
        served = known or self._served.setdefault(wanted.name, wanted)
        try:
            await asyncio.shield(self._bring(served))
        except Refusal:
            if known is None and self._served.get(served.name) is served:
                del self._served[served.name]
            raise
        return known is None

    def _bring(self, served: Served) -> "asyncio.Task[None]":
        """The one load of this name that is going on; callers share it."""
        if served.loading is None:
            served.loading = asyncio.create_task(self._bring_base(served) if served.base is None
                                                 else self._bring_adapter(served, served.base))  # fmt: skip
            served.loading.add_done_callback(lambda task: self._arrived(served, task))
        return served.loading

    def _arrived(self, served: Served, task: "asyncio.Task[None]") -> None:
        served.loading = None
        if not task.cancelled():
            task.exception()  # seen: whoever waits hears of it, and nobody may be waiting
        self._let_go_if_over(served)

    async def _bring_base(self, served: Served) -> None:
        if served.is_ready:
            return
        base = await asyncio.to_thread(bases.load, served.path, max_context=self.limits.max_context)
        lane = Lane(base, max_rows=self.limits.max_rows, max_tokens=self.limits.max_batch_tokens)
        await asyncio.wrap_future(self._engine.add(lane))
        served.lane, served.key = lane, adapters.BASE_ONLY

    async def _bring_adapter(self, served: Served, base: Served) -> None:
        if served.is_ready:
            return
        base.in_flight += 1
        try:
            await self._bring(base)
            await self._attach(served, base)
        finally:
            base.in_flight -= 1
            self._let_go_if_over(base)

    async def _attach(self, served: Served, base: Served) -> None:
        lane = base.lane
        assert lane is not None
        await self._make_room(served)
        try:
            unverified = self.limits.allow_unverified
            weights = await asyncio.to_thread(adapters.read, served.path, allow_unverified=unverified)
            key = f"a{next(self._keys)}"
            await asyncio.wrap_future(self._engine.call(lambda: lane.adapters.attach(key, weights)))
        except BaseException:
            self._slots.remove(served)
            raise
        served.lane, served.key, served.last_used = lane, key, time.monotonic()

    async def _make_room(self, newcomer: Served) -> None:
        """Take a slot, from the idle adapter whose last request is longest ago if none is free."""
        idle = [served for served in self._slots if served.is_ready and not served.in_flight]
        if len(self._slots) < self.limits.max_adapters:
            self._slots.append(newcomer)
        elif idle:
            oldest = min(idle, key=lambda served: served.last_used)
            self._slots[self._slots.index(oldest)] = newcomer
            await self._detach(oldest)
        else:
            raise not_now("Every adapter slot is in use.", code="adapters_busy", retry_after=2)

    async def _detach(self, served: Served) -> None:
        lane, key, served.key = served.lane, served.key, None
        if lane is not None and key is not None:
            await asyncio.wrap_future(self._engine.call(lambda: lane.adapters.detach(key)))

    async def unload_adapter(self, name: str) -> None:
        served = self._served.get(name)
        if served is None or served.base is None:
            raise Refusal(404, f"The lora adapter '{name}' cannot be found.", param="lora_name",
                          code="adapter_not_found")  # fmt: skip
        self._retire(served)

    async def unload_model(self, name: str) -> None:
        served = self._served.get(name)
        if served is None or served.base is not None:
            raise Refusal(404, f"The model '{name}' cannot be found.", param="model_name", code="model_not_found")
        users = [other.name for other in self._served.values() if other.base is served]
        if users:
            message = f"'{name}' carries adapters that must be unloaded first: {', '.join(users[:5])}."
            raise invalid(message, param="model_name", code="model_in_use")
        self._retire(served)

    def _retire(self, served: Served) -> None:
        del self._served[served.name]
        served.is_retired = True
        self._let_go_if_over(served)

    def _let_go_if_over(self, served: Served) -> None:
        if not served.is_retired or served.in_flight or served.loading or served.key is None:
            return
        task = asyncio.create_task(self._detach(served) if served.base else self._close(served))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        if served in self._slots:
            self._slots.remove(served)

    async def _close(self, served: Served) -> None:
        lane, served.lane, served.key = served.lane, None, None
        if lane is not None:
            await asyncio.wrap_future(self._engine.remove(lane))

    @asynccontextmanager
    async def using(self, name: str) -> AsyncIterator[Served]:
        """Hold a model for one request: it is in memory when this begins and stays until it ends."""
        served = self._served.get(name)
        if served is None:
            raise unknown_model(name[:200])
        owners = [served, *filter(None, [served.base])]
        for owner in owners:
            owner.in_flight += 1
            owner.last_used = time.monotonic()
        try:
            await self._ready(served)
            yield served
        finally:
            for owner in owners:
                owner.in_flight -= 1
                self._let_go_if_over(owner)

    async def _ready(self, served: Served) -> None:
        if served.is_ready:
            return
        wait = not_now(f"The model '{served.name}' is still loading.", code="model_loading", retry_after=2)
        try:
            await asyncio.wait_for(asyncio.shield(self._bring(served)), self.limits.load_wait)
        except TimeoutError:
            raise wait from None
        except Refusal as problem:
            if problem.status == 503:
                raise
            # The model was fine when it was registered, so the caller of a chat is not to blame.
            raise not_now(f"The model '{served.name}' cannot be loaded: {problem}", code="model_not_loadable") from None
