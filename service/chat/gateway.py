"""Speaks to the chat server: has it load what a caller names, forwards the request, and passes the answer back.

The wire is vLLM's with run-time LoRA, so the built-in server and vLLM are exchangeable. The chat server knows models
by internal names only; a name is tried first, and loaded when the server does not know it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec

from service.catalog.errors import ModelNotFound
from service.catalog.operations import Artifact, ResolvedModel
from service.chat.answers import Whole, renamed
from service.chat.errors import ChatServerUnavailable, ModelLoadFailed, NoChatServer, NotServedHere
from service.chat.streams import Lines
from service.kit.storage import ObjectMissing, storage
from service.settings import NO_CHAT, MiB, settings

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 5.0
_LOAD_SECONDS = 300.0
_PASSED_HEADERS = ("retry-after", "x-should-retry")
_unreachable = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


class Gateway:
    """One per API process; holds the connections to the chat server."""

    def __init__(self) -> None:
        token, place = settings().serving_token.get_secret_value(), settings().serving_url
        self._http = aiohttp.ClientSession(
            None if place == NO_CHAT else place, headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=False,
            read_bufsize=MiB,  # half of the longest line of a stream
            timeout=aiohttp.ClientTimeout(total=settings().serving_timeout_seconds, sock_connect=_CONNECT_SECONDS))
        self._loading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        await self._http.close()

    async def complete(self, model: ResolvedModel, request: dict[str, Any]) -> Whole | Lines:
        """Forward one request; a whole answer, or the server-sent lines of a stream that has begun well.

        Raises ChatServerUnavailable, ModelLoadFailed, ModelNotFound or NotServedHere.
        """
        if settings().serving_url == NO_CHAT:
            raise NoChatServer(model.name)
        forwarded = msgspec.json.encode(request | {"model": model.internal_name})
        try:
            answer = await self._post(forwarded)
            if answer.status == 404:
                answer.release()
                await self._load(model)
                answer = await self._post(forwarded)
            if answer.content_type == "text/event-stream":
                return Lines(answer, _renamed_lines(answer, model.name))
            async with answer:
                body = await answer.read()
        except _unreachable as trouble:
            raise _broken(trouble) from trouble
        headers = {name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers}
        return Whole(answer.status, renamed(body, model.name), headers)

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        return await self._http.post("/v1/chat/completions", data=body, headers={"content-type": "application/json"})

    async def _load(self, model: ResolvedModel) -> None:
        """Have the server load the base, and what was tuned on it; one load of a name at a time."""
        base = model.base.id
        base_dir = settings().models_dir.absolute() / base
        if not (base_dir / "config.json").exists():
            raise NotServedHere(model.name, f"the weights of its base are not on this machine; `tuneworks models pull"
                                            f" {base}` fetches them.")
        async with self._loading[base]:
            await self._ask_to_load(model, "/v1/load_model", {"model_name": base, "model_path": str(base_dir)})
        if model.artifact is None:
            return
        async with self._loading[model.internal_name]:
            try:
                path = await asyncio.to_thread(_materialize, model.internal_name, model.artifact)
            except ObjectMissing as deleted:
                raise ModelNotFound(model.name) from deleted
            if model.kind == "adapter":
                await self._ask_to_load(model, "/v1/load_lora_adapter", {
                    "lora_name": model.internal_name, "lora_path": str(path), "base_model": base})
            else:
                await self._ask_to_load(model, "/v1/load_model", {
                    "model_name": model.internal_name, "model_path": str(path)})

    async def _ask_to_load(self, model: ResolvedModel, route: str, request: dict[str, str]) -> None:
        timeout = aiohttp.ClientTimeout(total=_LOAD_SECONDS, sock_connect=_CONNECT_SECONDS)
        async with self._http.post(route, json=request, timeout=timeout) as answer:
            text = await answer.text()
        if answer.status < 300:
            return
        if answer.status in (404, 405) and route == "/v1/load_model":  # vLLM serves the one base it was started with
            if model.kind == "model":
                raise NotServedHere(model.name, "this chat server loads adapters only, and this is a whole model.")
            return
        if answer.status == 503:
            raise ChatServerUnavailable(_message(text))
        raise ModelLoadFailed(model.name, _message(text))


def _materialize(internal_name: str, artifact: Artifact) -> Path:
    """The tuned model's files as a directory on this machine's disk, fetched on first use.

    Raises ObjectMissing when some of them are erased already, because the model was deleted meanwhile.
    """
    path = settings().models_dir.absolute() / "tuned" / internal_name
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{internal_name}.", dir=path.parent) as scratch:
        whole = Path(scratch) / internal_name
        fetched = {file.relative_to(whole).as_posix() for file in storage().download_dir(artifact.prefix, whole)}
        gone = set(artifact.manifest.get("files", {})) - fetched
        if gone or not fetched:
            raise ObjectMissing(artifact.prefix)
        try:
            whole.replace(path)
        except OSError:  # another API process was faster; its copy is as good
            if not path.exists():
                raise
    return path


def _broken(trouble: Exception) -> ChatServerUnavailable:
    _log.warning("chat server unavailable: %s", str(trouble) or type(trouble).__name__)
    if isinstance(trouble, aiohttp.ClientConnectorError):
        return ChatServerUnavailable("it cannot be reached")
    is_late = isinstance(trouble, TimeoutError)
    return ChatServerUnavailable("it took too long" if is_late else "the connection broke off")


def _message(text: str) -> str:
    try:
        error = msgspec.json.decode(text).get("error", {})
    except (msgspec.DecodeError, AttributeError):
        return text[:300]
    return str(error.get("message", text))[:300] if isinstance(error, dict) else str(error)[:300]


async def _renamed_lines(answer: aiohttp.ClientResponse, name: str) -> AsyncGenerator[bytes]:
    """The lines of a stream; one that breaks off ends in an error that SDKs raise, not in what looks like an end."""
    try:
        async with answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    yield b"data: " + renamed(line[len(b"data: "):].strip(), name) + b"\n"
                else:
                    yield line
    except _unreachable as trouble:
        yield b"\n\ndata: " + msgspec.json.encode(_broken(trouble).body()) + b"\n\n"
