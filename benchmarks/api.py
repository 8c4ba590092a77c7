"""Requests per second and their tail: our routes under uvicorn and granian, and FastAPI with nothing behind it."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import util
from typing import Any

import aiohttp

from benchmarks.report import ROUNDS, Line, percentile, show
from benchmarks.scratch import client, plain_app, scratch, server, storm
from service import commands

_AT_ONCE = 8
_SECONDS = 1.2
Request = Callable[[], Any]
_LINE = b'{"messages": [{"role": "user", "content": "%s"}]}\n'


def granian(port: int) -> list[str]:
    return [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--host", "127.0.0.1", "--port",
            str(port), "--no-access-log", "--log-level", "error", "service.app:create_app"]


def uvicorn(port: int) -> list[str]:
    return [*commands.api("127.0.0.1", port), "--log-level", "warning"]


def file_form() -> aiohttp.FormData:
    form = aiohttp.FormData({"purpose": "fine-tune"})
    form.add_field("file", _LINE % (b"x" * 960), filename="a.jsonl", content_type="application/jsonl")
    return form


def create_file(session: aiohttp.ClientSession, url: str) -> Any:
    return session.post(f"{url}/v1/files", data=file_form())


async def seed(session: aiohttp.ClientSession, url: str) -> str:
    """A job to retrieve; returns its id."""
    async with session.post(f"{url}/v1/files", data=file_form()) as answer:
        file = await answer.json()
    order = {"model": "smollm2-135m-instruct", "training_file": file["id"]}
    async with session.post(f"{url}/v1/fine_tuning/jobs", json=order) as answer:
        job: dict[str, Any] = await answer.json()
    return str(job["id"])


async def measure(key: str, servers: dict[str, str], hello: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Requests per second and p99 in ms by (server, route); the rounds take turns, so all meet the same machine."""
    async with client(key) as session:
        job = await seed(session, next(iter(servers.values())))
        requests: dict[tuple[str, str], Request] = {("bare", "hello"): partial(session.get, f"{hello}/healthz")}
        for server_name, url in servers.items():
            requests[server_name, "create file (1 kB)"] = partial(create_file, session, url)
            requests[server_name, "retrieve job"] = partial(session.get, f"{url}/v1/fine_tuning/jobs/{job}")
            requests[server_name, "list jobs"] = partial(session.get, f"{url}/v1/fine_tuning/jobs")
        took: dict[tuple[str, str], list[list[float]]] = {name: [] for name in requests}
        for _ in range(ROUNDS):
            for name, request in requests.items():
                took[name].append(await storm(request, at_once=_AT_ONCE, seconds=_SECONDS))
    return {name: (sorted(len(each) / _SECONDS for each in rounds)[ROUNDS // 2],
                   sorted(percentile(each, 99) * 1000 for each in rounds)[ROUNDS // 2])
            for name, rounds in took.items()}


def main() -> None:
    with scratch() as house, ExitStack() as stack:
        commands_ = {"uvicorn": uvicorn} | ({"granian": granian} if util.find_spec("granian") else {})
        servers = {name: stack.enter_context(server(command))[0] for name, command in commands_.items()}
        hello, _ = stack.enter_context(server(plain_app))
        found = asyncio.run(measure(house.key, servers, hello))
    routes = [route for name, route in found if name == "uvicorn"]
    show(f"API, {_AT_ONCE} requests at once", "a bare FastAPI hello under uvicorn",
         [line for route in routes for line in (
             Line(route, "requests/s", found["uvicorn", route][0], found["bare", "hello"][0]),
             Line(f"{route}, p99", "ms", found["uvicorn", route][1], found["bare", "hello"][1], "less"))])
    if "granian" in servers:
        show("The same routes, uvicorn (ours) and granian", "granian",
             [line for route in routes for line in (
                 Line(route, "requests/s", found["uvicorn", route][0], found["granian", route][0]),
                 Line(f"{route}, p99", "ms", found["uvicorn", route][1], found["granian", route][1], "less"))])


if __name__ == "__main__":
    main()
