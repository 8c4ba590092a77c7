"""The simulated server itself: routes of both faces, keys, headers, faults, and a port for the control side."""

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from tests.remote import faults, refusals
from tests.remote.accounts import Account
from tests.remote.calls import Call, Face, Route
from tests.remote.refusals import Refusal
from tests.remote.routes import chat, files, jobs, models, uploads
from tests.remote.routes.control import Control
from tests.remote.webhooks import Webhooks
from tests.remote.world import Seen, World

_JOB = "/fine_tuning/jobs/{job}"
ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("POST", "/files", files.create), ("GET", "/files", files.index), ("GET", "/files/{file}", files.retrieve),
    ("GET", "/files/{file}/content", files.content), ("DELETE", "/files/{file}", files.delete),
    ("POST", "/uploads", uploads.create), ("POST", "/uploads/{upload}/parts", uploads.add_part),
    ("POST", "/uploads/{upload}/complete", uploads.complete), ("POST", "/uploads/{upload}/cancel", uploads.cancel),
    ("POST", "/fine_tuning/jobs", jobs.create), ("GET", "/fine_tuning/jobs", jobs.index),
    ("GET", _JOB, jobs.retrieve), ("POST", f"{_JOB}/cancel", jobs.cancel), ("POST", f"{_JOB}/pause", jobs.pause),
    ("POST", f"{_JOB}/resume", jobs.resume), ("GET", f"{_JOB}/events", jobs.events),
    ("GET", f"{_JOB}/checkpoints", jobs.checkpoints),
    ("GET", "/models", models.index), ("GET", "/models/{model}", models.retrieve),
    ("DELETE", "/models/{model}", models.delete), ("POST", "/chat/completions", chat.create),
)
_AZURE = (*ROUTES, ("POST", "/deployments/{deployment}/chat/completions", chat.create))
_TICK_SECONDS = 0.05


class Simulator:
    """`url` answers as the remote does; `control_url` moves time and makes trouble, and stays when `url` refuses."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.webhooks = Webhooks()
        self.url = self.control_url = ""
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._port = 0
        self._ticker: asyncio.Task[None] | None = None
        self.refusing = False
        self.use(world)

    def use(self, world: World) -> None:
        """Begin anew with another world."""
        self.world = world
        self.webhooks.forget()
        world.training.ended = self.webhooks.job_ended

    # -- listening -------------------------------------------------------------------------------------

    async def start(self, port: int = 0) -> None:
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.2, keepalive_timeout=120)
        await self._runner.setup()
        control = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        await control.start()
        self.control_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._port = port
        await self.accept()
        self._ticker = asyncio.create_task(self._tick())

    async def accept(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024)
        await self._site.start()
        self._port = self._runner.addresses[-1][1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.refusing = False

    async def refuse(self) -> None:
        """Close the port, so that connections are refused until `accept`."""
        if self._site is not None:
            self.refusing = True
            await self._site.stop()
            self._site = None

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        await self.webhooks.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _tick(self) -> None:
        """Jobs move, and webhooks go out, without anybody asking."""
        while True:
            self.world.catch_up()
            await asyncio.sleep(_TICK_SECONDS)

    # -- answering -------------------------------------------------------------------------------------

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**34)
        Control(self).add_routes(app)
        for method, path, route in ROUTES:
            app.router.add_route(method, f"/v1{path}", self._handler("openai", f"{method} /v1{path}", route))
        for method, path, route in _AZURE:
            for prefix in ("/openai", "/openai/v1"):
                app.router.add_route(method, f"{prefix}{path}", self._handler("azure", f"{method} /v1{path}", route))
        app.router.add_route("*", "/{path:.*}", self._handler("openai", "unknown", _no_route))
        return app

    def _handler(self, face: Face, name: str, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self.refusing:
                return faults.hang_up(request)
            world = self.world
            world.catch_up()
            world.requests[name] += 1
            world.seen.append(Seen(request.method, request.path_qs, dict(request.headers)))
            fault = world.faults.choose(request.method, request.path_qs, _keys(request))
            if fault is not None and not fault.effect:
                return await faults.play(fault, request, None)
            if fault is not None and fault.do == "late":
                if request.content_type == "application/json":
                    await request.read()  # it is all here, whether its sender stays or not
                await asyncio.sleep(fault.seconds)
            response = await self._respond(face, name, route, request)
            if fault is not None and fault.do == "double":
                await self._respond(face, name, route, request)
            return response if fault is None else await faults.play(fault, request, response)
        return handle

    async def _respond(self, face: Face, name: str, route: Route, request: web.Request) -> web.StreamResponse:
        account: Account | None = None
        try:
            account = self._authenticate(face, request)
            response = await route(Call(self.world, account, request, face))
        except Refusal as refusal:
            self.world.refused[f"{name} {refusal.status}"] += 1
            body = azure_body(refusal) if face == "azure" else refusal.body()
            response = web.Response(status=refusal.status, headers=refusal.headers, text=json.dumps(body),
                                    content_type="application/json")
        if not response.prepared:
            response.headers.update(self._headers(face, account))
        return response

    def _authenticate(self, face: Face, request: web.Request) -> Account:
        key = next(iter(_keys(request)), None)
        if face == "azure":
            if request.path.startswith("/openai/v1") or "api-version" in request.query:
                account = self.world.by_key.get(key or "")
            else:
                raise Refusal(404, "Resource not found", code="404")
        else:
            if key is None:
                raise refusals.no_key()
            account = self.world.by_key.get(key)
        if account is None or account.standing == "revoked":
            raise refusals.wrong_key(key or "")
        account.admit()
        return account

    def _headers(self, face: Face, account: Account | None) -> dict[str, str]:
        request_id = self.world.names.request()
        if face == "azure":
            return {"apim-request-id": request_id, "x-request-id": request_id, "x-ms-region": "Sweden Central"}
        headers = {"x-request-id": request_id}
        return headers if account is None else headers | {
            "openai-version": "2020-10-01", "openai-processing-ms": "9",
            "openai-organization": account.slug, "openai-project": account.project}


def _keys(request: web.Request) -> list[str]:
    """The key that a request bears, in either face's header."""
    bearer = request.headers.get("Authorization", "")
    key = request.headers.get("api-key") or (bearer[7:] if bearer.startswith("Bearer ") else "")
    return [key] if key else []


async def _no_route(call: Call) -> web.StreamResponse:
    raise refusals.no_route(call.request.method, call.request.path)


def azure_body(refusal: Refusal) -> dict[str, Any]:
    """Azure tells a code and a message, and little else."""
    if refusal.status == 401:
        return {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API "
                          "endpoint. Make sure to provide a valid key for an active subscription and use a correct "
                          "regional API endpoint for your resource."}}
    codes = {400: "invalidPayload", 403: "403", 404: "404", 429: "429"}
    return {"error": {"code": refusal.code or codes.get(refusal.status, str(refusal.status)),
                      "message": refusal.message}}
