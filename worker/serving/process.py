"""One run of the chat server: its arguments, socket and signals, and the parent whose end is its own."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import torch
import uvicorn

from .app import Server
from .engine import Engine
from .refusals import Refusal
from .registry import Limits, Registry

log = logging.getLogger("worker.serving")


class Http(uvicorn.Server):
    """uvicorn, except that a signal ends it once and for all: its own would be raised again after the drain."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def arguments(given: list[str]) -> argparse.Namespace:
    limits = Limits()
    parser = argparse.ArgumentParser(prog="python -m worker.serving", description="The built-in chat server.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="keep it on loopback: the server knows no tenants")
    add("--port", type=int, default=0, help="0 picks a free one")
    add("--base", action="append", default=[], metavar="NAME=DIR", type=_named, help="load at start; repeatable")
    add("--threads", type=int, default=2, help="CPU threads for the model")
    add("--max-requests", type=int, default=64, help="open at once; more are answered 503")
    add("--max-adapters", type=int, default=limits.max_adapters, help="in memory; idle ones make room")
    add("--max-rows", type=int, default=limits.max_rows, help="requests of one base decoded together")
    add("--max-batch-tokens", type=int, default=limits.max_batch_tokens, help="rows x longest sequence")
    add("--max-context", type=int, default=limits.max_context, help="tokens; a base's own limit also holds")
    add("--default-max-tokens", type=int, default=limits.default_max_tokens, help="when the request names none")
    add("--load-wait", type=float, default=limits.load_wait, help="seconds a request waits for its model")
    add("--answer-within", type=float, default=limits.answer_within, help="seconds a request may take in all")
    add("--drain", type=int, default=5, help="seconds for running answers on SIGTERM")
    add("--allow-unverified", action="store_true", help="load adapters that have no manifest.json")
    return parser.parse_args(given)


def _named(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=DIR, got {text!r}")
    return name, folder


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(**{name: getattr(options, name) for name in Limits.__dataclass_fields__})


async def serve(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run until told to stop; the exit code is 1 when a base named at start cannot be loaded."""
    engine = Engine(max_requests=options.max_requests)
    engine.start()
    server = Server(engine, Registry(engine, _limits(options)), environment.get("TUNEWORKS_SERVING_TOKEN"))
    config = uvicorn.Config(server.app(), log_level="warning", access_log=False, lifespan="off",
                            timeout_graceful_shutdown=options.drain, server_header=False)  # fmt: skip
    http = Http(config)
    _follow_parent(environment.get("TUNEWORKS_PARENT_FD"), http)
    listening = _listen(options.host, options.port)
    preparing = asyncio.create_task(_prepare(server, options.base, http))
    await http.serve(sockets=[listening])
    failed = preparing.done() and not preparing.result()
    engine.stop(within=options.drain)
    return int(failed)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), backlog=256)
    url = f"http://{host}:{listening.getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    return listening


async def _prepare(server: Server, named: list[tuple[str, str]], http: uvicorn.Server) -> bool:
    for name, folder in named:
        try:
            await server.registry.load_model(name, folder)
        except Refusal as problem:
            log.error("base %s: %s", name, problem)  # noqa: TRY400  # the message says it all
            http.should_exit = True
            return False
    server.is_prepared = True
    return True


def _follow_parent(descriptor: str | None, http: uvicorn.Server) -> None:
    """Stop when the parent is gone, however it went: the kernel closes its end of the pipe."""
    if descriptor is None:
        return

    def watch() -> None:
        while os.read(int(descriptor), 4096):
            pass
        http.should_exit = True

    threading.Thread(target=watch, name="parent", daemon=True).start()


def run(given: list[str], environment: Mapping[str, str]) -> NoReturn:
    """The whole life of the process."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Libraries warn their developers; an operator can do nothing about it.
    warnings.filterwarnings("ignore", module=r"(transformers|peft|torch)\b")
    options = arguments(given)
    torch.set_num_threads(options.threads)
    code = asyncio.run(serve(options, environment))
    # Threads that load a model cannot be interrupted, and nobody needs what they load any more.
    logging.shutdown()
    os._exit(code)
