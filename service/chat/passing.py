"""Passes chats on to servers that this house does not run, with the project's credential, and their answers back.

The servers are named by tenants, and so are hostile: their addresses are checked when they are dialled, redirects are
not followed, and no answer may be endless, neither in bytes nor in time.
"""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from service.chat import answers
from service.chat.answers import Unreadable, Whole
from service.chat.doors import Door, chat_door
from service.chat.errors import RemoteUnavailable
from service.chat.operations import Answerer
from service.chat.streams import Lines
from service.credentials.operations import OpenCredential
from service.kit import connections
from service.settings import MiB, settings

LARGEST = 16 * MiB
"""Bytes of a whole answer."""
LARGEST_STREAM = 64 * MiB
_LARGEST_ERROR = 64 * 1024
_CONNECT_SECONDS = 5.0
_KEPT_SECONDS = 15.0
_EVENT_STREAM = "text/event-stream"
_trouble = (aiohttp.ClientError, TimeoutError, OSError)


class Passing:
    """One per API process; holds the connections to all those servers."""

    def __init__(self) -> None:
        self._allow_private = settings().remote_allow_private
        self._http = aiohttp.ClientSession(
            # no common limit, of which one server that never answers would take all: each connection has a caller
            connector=connections.connector(allow_private=self._allow_private, limit=0,
                                            keepalive_timeout=_KEPT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False,
            read_bufsize=MiB,  # half of the longest line of a stream
            headers={"user-agent": "Tuneworks/1.0 (chat)", "accept-encoding": "identity",
                     "content-type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=settings().serving_timeout_seconds, sock_connect=_CONNECT_SECONDS))

    async def close(self) -> None:
        await self._http.close()

    async def complete(self, answerer: Answerer, credential: OpenCredential,
                       request: dict[str, Any]) -> Whole | Lines:
        """A whole answer, or the server-sent lines of a stream that has begun well.

        Raises CredentialRefused, ModelGone, NotServedHere or RemoteUnavailable.
        """
        name = answerer.model.name
        door = chat_door(credential, answerer.server_names, shown=name, allow_private=self._allow_private)
        body = msgspec.json.encode(request | {"model": door.model})
        try:
            answer = await self._post(door, body)
            if answer.status == 200 and answer.content_type == _EVENT_STREAM and request.get("stream"):
                return Lines(answer, _lines(answer, name, credential))
            return await _whole(answer, name, credential)
        except _trouble as trouble:
            raise _broken(trouble) from None  # it may quote our own headers
        except Unreadable as odd:
            raise RemoteUnavailable(f"its answer {odd}") from None

    async def _post(self, door: Door, body: bytes) -> aiohttp.ClientResponse:
        answer = await self._http.post(URL(door.url, encoded=True), data=body, headers=door.headers,
                                       allow_redirects=False)
        if 300 <= answer.status < 400:
            answer.close()
            raise RemoteUnavailable(f"it answered {answer.status} and names another address; redirects are not"
                                    " followed")
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            answer.close()
            raise Unreadable("is compressed, though nobody asked for that")
        return answer


async def _whole(answer: aiohttp.ClientResponse, name: str, credential: OpenCredential) -> Whole:
    """Raises Unreadable for what is no JSON object, or too long."""
    good = 200 <= answer.status < 300
    try:
        body = await _read(answer, LARGEST if good else _LARGEST_ERROR, cut=not good)
    finally:
        answer.close()
    if not good:
        return answers.refusal(answer.status, answer.headers, body, credential)
    return Whole(200, answers.shown(answers.parsed(body), name, credential), {})


async def _read(answer: aiohttp.ClientResponse, largest: int, *, cut: bool) -> bytes:
    kept = bytearray()
    async for part in answer.content.iter_any():
        kept += part
        if len(kept) > largest:
            if cut:
                break
            raise Unreadable("is too long")
    return bytes(kept[:largest])


async def _lines(answer: aiohttp.ClientResponse, name: str, credential: OpenCredential) -> AsyncGenerator[bytes]:
    """The lines of a stream; one that breaks off ends in an error that SDKs raise, not in what looks like an end."""
    try:
        async for line in _checked(answer, name, credential):
            yield line
    except _trouble as trouble:
        yield _told(_broken(trouble))
    except Unreadable as odd:
        yield _told(RemoteUnavailable(f"its answer {odd}"))
    except (ValueError, HttpProcessingError):  # of aiohttp: no end of a line came
        yield _told(RemoteUnavailable("its answer has a line that is too long"))
    finally:
        answer.close()


async def _checked(answer: aiohttp.ClientResponse, name: str, credential: OpenCredential) -> AsyncGenerator[bytes]:
    """Data, line by line, until its end; comments, with which servers keep the line open, without their words."""
    received, may_end = 0, False
    async for line in answer.content:
        received += len(line)
        if received > LARGEST_STREAM:
            raise Unreadable("is too long")
        field, _, value = line.strip().partition(b":")
        if field == b"data" and value.strip() == b"[DONE]":
            yield b"data: [DONE]\n\n"
            return
        if field == b"data":
            chunk = answers.parsed(value)
            may_end = may_end or answers.has_ended(chunk)
            yield b"data: " + answers.shown(chunk, name, credential) + b"\n"
        elif not field:
            yield b": waiting\n" if line.strip() else b"\n"
    if not may_end:
        raise Unreadable("ended before it was complete")


def _told(error: RemoteUnavailable) -> bytes:
    return b"\n\ndata: " + msgspec.json.encode(error.body()) + b"\n\n"


def _broken(trouble: Exception) -> RemoteUnavailable:
    """Names the kind of trouble only: its words may quote headers, and ours hold the secret."""
    return RemoteUnavailable(f"{type(trouble).__name__} while it was asked")
