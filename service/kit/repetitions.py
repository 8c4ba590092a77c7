"""Requests that may be sent again: the Idempotency-Key header, and answers that tell what the first of them made."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel, WithJsonSchema
from sqlalchemy.orm import Session

from service.kit import idempotency
from service.kit.errors import InvalidRequest
from service.kit.idempotency import HEADER, QUERY, InvalidKey
from service.kit.schemas import JSONObject

REPLAYED = "Idempotent-Replayed"
_KEY = re.compile(r"[!-~]{1,255}")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Once:
    """The key of a request, if it has one, and the request that the key stands for."""

    key: str | None
    route: str
    query: tuple[tuple[str, str], ...]
    response: Response

    def do(self, session: Session, body: BaseModel, act: Callable[[], Made], *, remember: Callable[[Made], JSONObject],
           recall: Callable[[JSONObject], Made]) -> Made:
        """`act()`, unless a request with this key did it before: then what it made, recalled by what was remembered.

        Call it before the transaction locks anything. Raises KeyReused, KeyInProgress, or what `act` raises.
        """
        if self.key is None:
            return act()
        row, is_new = idempotency.claim(session, self.key, self.route, _fingerprint(body, self.query))
        if not is_new:
            self.response.headers[REPLAYED] = "true"
            return recall(row.made or {})
        made = act()
        idempotency.remember(session, row, remember(made))
        return made


_Key = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"})]
"""As it is described; what is wrong with one is told in more words than a pattern has."""


def once(request: Request, response: Response, key: Annotated[_Key | None, Header(
        alias=HEADER, description=(
            "Makes a repetition safe: of all requests of a project with one key, the first makes something, and the"
            " others are answered with that, as it is by then, and `Idempotent-Replayed: true`. 1 to 255 visible ASCII"
            " characters, such as a UUID; kept for 24 hours. Another body or route under the same key is refused with"
            " 422, `idempotency_key_reused`; a request that was refused leaves its key free. OpenAI's SDKs send none by"
            ' themselves: pass `extra_headers={"Idempotency-Key": …}`.'),
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"])] = None) -> Once:
    """Raises InvalidKey."""
    if len(request.headers.getlist(HEADER)) > 1:
        raise InvalidKey("it is there more than once")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidKey(_wrong(key))
    query = tuple(sorted(request.query_params.multi_items()))
    return Once(key, f"{request.method} {request.url.path}", query, response)


def _wrong(key: str) -> str:
    if not key:
        return "it is empty"
    if len(key) > 255:
        return f"it has {len(key):,} characters"
    return "it contains a space, a control character or one that is not ASCII"


def _fingerprint(body: BaseModel, query: tuple[tuple[str, str], ...]) -> JSONObject:
    """Fields that are as if they were left out count as left out, so that a newer release's fields change nothing."""
    try:
        told = body.model_dump(exclude_defaults=True) | ({QUERY: query} if query else {})
        return {name: _digest(value) for name, value in told.items()}
    except (ValueError, RecursionError):
        raise InvalidRequest("The request body is nested too deeply.", code="invalid_value") from None


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


OnceOnly = Annotated[Once, Depends(once)]
