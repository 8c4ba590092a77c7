"""Pages of the simulated server's lists, and the strict reading of what asks for them."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from aiohttp import web

from tests.remote import refusals
from tests.remote.accounts import Account
from tests.remote.jobs import Job

Item = TypeVar("Item")
_FILTER = re.compile(r"^metadata\[(.+)]$")


def limit(request: web.Request, default: int, most: int) -> int:
    given = request.query.get("limit")
    if given is None:
        return default
    if not given.isascii() or not given.lstrip("-").isdigit():
        raise refusals.wrong_type("limit", "integer", given)
    number = int(given[:12])
    if number < 1:
        raise refusals.wrong_value("limit", f"integer below minimum value. Expected a value >= 1, but got {number} "
                                            "instead.", "integer_below_min_value")
    if number > most:
        raise refusals.wrong_value("limit", f"integer above maximum value. Expected a value <= {most}, but got "
                                            f"{number} instead.", "integer_above_max_value")
    return number


def after(items: Sequence[Item], name: Callable[[Item], str], cursor: str | None, unknown: Exception) -> Sequence[Item]:
    if cursor is None:
        return items
    place = next((place for place, item in enumerate(items) if name(item) == cursor), None)
    if place is None:
        raise unknown
    return items[place + 1:]


def page(rendered: Iterable[bytes], count: int, **more: Any) -> web.Response:
    """One more is taken than fits, to know whether there is more."""
    taken = list(islice(rendered, count + 1))
    tail = json.dumps({"has_more": len(taken) > count} | more)
    return web.Response(body=b'{"object": "list", "data": [' + b", ".join(taken[:count]) + b"], " + tail[1:].encode(),
                        content_type="application/json")


def jobs(account: Account, request: web.Request, now: float, *, filters: bool) -> Iterable[Job]:
    """Newest first, from the cursor on, of those that the list shows yet and that bear the metadata asked for."""
    cursor = request.query.get("after")
    if cursor is None:
        place = len(account.order)
    elif cursor in account.places:
        place = account.places[cursor]
    else:
        raise refusals.unknown_job(cursor)
    wanted = {match[1]: value for name, value in request.query.items() if (match := _FILTER.match(name))}
    bare = request.query.get("metadata") == "null"
    for at in range(place - 1, -1, -1):
        job = account.order[at]
        if job.vanished or job.visible_at > now:
            continue
        if not filters or _bears(job, wanted, bare=bare):
            yield job


def _bears(job: Job, wanted: dict[str, str], *, bare: bool) -> bool:
    if bare:
        return not job.metadata
    return all((job.metadata or {}).get(name) == value for name, value in wanted.items())
