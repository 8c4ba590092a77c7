"""What goes wrong on demand: which requests it strikes, and how the connection or the answer is spoiled."""

import asyncio
import itertools
import json
import random
import re
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WITHOUT_EFFECT = frozenset({"refuse", "reset_before", "timeout_before", "status"})
"""Nothing is done for these, unless the fault says `effect: true`; for all others the request is carried out first."""
KINDS = WITHOUT_EFFECT | {"reset_after", "timeout", "truncate", "garbage", "html", "slow", "huge", "deep", "mutate",
                          "redirect", "empty", "late", "double"}
_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad gateway</h1></body></html>"


@dataclass
class Fault:
    """`do` says what; `nth` and `count` strike certain matches, `probability` each of them by a seeded draw."""

    id: str
    do: str
    method: str | None = None
    path: re.Pattern[str] | None = None
    key: str | None = None
    nth: int | None = None
    count: int | None = None
    probability: float | None = None
    effect: bool = True
    status: int = 500
    retry_after: str | None = None
    seconds: float = 600.0
    size: int = 64 * 2**20
    body: Any = None
    put: dict[str, Any] = field(default_factory=dict)
    "Fields that `mutate` writes over the answer's."
    drop: tuple[str, ...] = ()
    location: str = ""
    draw: random.Random = field(default_factory=random.Random)
    seen: int = 0
    struck: int = 0

    def strikes(self, method: str, path: str, keys: Iterable[str]) -> bool:
        if (self.method and self.method != method) or (self.path and not self.path.search(path)):
            return False
        if self.key and self.key not in keys:
            return False
        self.seen += 1
        if self.count is not None and self.struck >= self.count:
            return False
        if self.nth is not None and self.seen < self.nth:
            return False
        if self.probability is not None and self.draw.random() >= self.probability:
            return False
        self.struck += 1
        return True

    def told(self) -> dict[str, Any]:
        return {"id": self.id, "do": self.do, "seen": self.seen, "struck": self.struck}


class FaultBook:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers = itertools.count(1)
        self.faults: list[Fault] = []

    def add(self, wanted: dict[str, Any]) -> Fault:
        """From a control request's JSON. Raises ValueError and TypeError for what it does not know."""
        given = dict(wanted)
        match = given.pop("match", {})
        do = given.pop("do")
        if isinstance(do, int) or str(do).isdigit():
            given["status"], do = int(do), "status"
        if do not in KINDS:
            raise ValueError(f"no such fault: {do}; there are {sorted(KINDS)}")
        number = next(self._numbers)
        if given.get("nth") is not None:
            given.setdefault("count", 1)
        given.setdefault("effect", do not in WITHOUT_EFFECT)
        draw = random.Random(f"{given.pop('seed', self._seed)}/{number}")
        fault = Fault(f"fault-{number}", do, method=match.get("method"), key=match.get("key"),
                      path=re.compile(match["path"]) if match.get("path") else None, draw=draw,
                      drop=tuple(given.pop("drop", ())), put=given.pop("set", {}), **given)
        self.faults.append(fault)
        return fault

    def choose(self, method: str, path: str, keys: Iterable[str]) -> Fault | None:
        return next((fault for fault in self.faults if fault.strikes(method, path, keys)), None)


async def play(fault: Fault, request: web.Request, answer: web.StreamResponse | None) -> web.StreamResponse:
    """Spoil one answer. `answer` is None where nothing was done."""
    if fault.do in {"late", "double"} and answer is not None:
        return answer
    if fault.do in {"refuse", "reset_before", "reset_after"}:
        return hang_up(request)
    if fault.do in {"timeout", "timeout_before"}:
        return await _keep_waiting(fault, request)
    body = answer.body if isinstance(answer, web.Response) else b"{}"
    content = body if isinstance(body, bytes) else b"{}"
    by_hand = {"truncate": _truncate, "slow": _drip, "huge": _flood}
    return await by_hand[fault.do](fault, request, content) if fault.do in by_hand else _spoiled(fault, answer, content)


def _spoiled(fault: Fault, answer: web.StreamResponse | None, content: bytes) -> web.Response:
    status = answer.status if answer else 200
    makers: dict[str, Callable[[], web.Response]] = {
        "status": lambda: _status(fault),
        "html": lambda: web.Response(status=502 if fault.status == 500 else fault.status, body=_PAGE,
                                     content_type="text/html"),
        "redirect": lambda: web.Response(status=302, headers={"Location": fault.location}),
        "garbage": lambda: _json(fault.draw.randbytes(256)),
        "empty": lambda: _json(b"", status),
        "deep": lambda: _json(b'{"data":' * 50_000 + b"1" + b"}" * 50_000),
        "mutate": lambda: _json(json.dumps(_mutated(content, fault)).encode(), status),
    }
    return makers[fault.do]()


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _mutated(content: bytes, fault: Fault) -> Any:
    """The fault's own body, or the answer with fields written over or left out, in each object of a list too."""
    if fault.body is not None:
        return fault.body
    document = json.loads(content)
    targets = document["data"] if isinstance(document.get("data"), list) else [document]
    for target in targets:
        target.update(fault.put)
        for name in fault.drop:
            target.pop(name, None)
    return document


_WORDS: dict[int, tuple[str, str, str | None]] = {
    401: ("Incorrect API key provided: sk-*****.", "invalid_request_error", "invalid_api_key"),
    403: ("You have insufficient permissions for this operation.", "invalid_request_error", "missing_scope"),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
}
_TROUBLE = ("The server had an error while processing your request. Sorry about that!", "server_error", None)


def _status(fault: Fault) -> web.Response:
    message, kind, code = _WORDS.get(fault.status, _TROUBLE)
    body = fault.body or {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return web.Response(status=fault.status, text=json.dumps(body), content_type="application/json", headers=headers)


def hang_up(request: web.Request) -> web.Response:
    """End the connection with a reset, as a server or a box between does that dies."""
    if request.transport is not None:
        plug = request.transport.get_extra_info("socket")
        if plug is not None:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def _keep_waiting(fault: Fault, request: web.Request) -> web.Response:
    """Until the caller leaves, or the fault's time is over; then the connection ends without an answer."""
    ends = asyncio.get_running_loop().time() + fault.seconds
    while (  # noqa: ASYNC110  # nothing else tells of a caller's leaving
            asyncio.get_running_loop().time() < ends and request.transport and not request.transport.is_closing()):
        await asyncio.sleep(0.05)
    return hang_up(request)


async def _truncate(_fault: Fault, request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(content))})
    await response.prepare(request)
    await response.write(content[:max(1, len(content) // 2)])
    if request.transport is not None:
        request.transport.close()
    return response


async def _drip(fault: Fault, request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(content))})
    await response.prepare(request)
    pieces = max(1, min(len(content), round(fault.seconds * 10)))
    size = -(-len(content) // pieces)
    try:
        for start in range(0, len(content), size):
            await response.write(content[start:start + size])
            await asyncio.sleep(fault.seconds / pieces)
    except ConnectionError:
        hang_up(request)
    return response


async def _flood(fault: Fault, request: web.Request, _content: bytes) -> web.StreamResponse:
    """Valid JSON without an end in sight."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    block = b" " * 2**16
    try:
        await response.write(b'{"object":"list","data":[')
        for _ in range(fault.size // len(block)):
            await response.write(block)
        await response.write(b"]}")
    except ConnectionError:
        hang_up(request)
    return response
