"""Finds jobs at their server with few requests: pages first, single questions for what the pages did not show.

A page that shows jobs that are looked for saves as many questions; one that shows none saves nothing. So the walk goes
on over barren pages only while that costs less than asking for the rest one by one, which bounds what a server can cost
us: no more requests than jobs that are looked for, and some `BARREN` pages or a tenth as many as jobs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from worker.poller.asking import Door
from worker.poller.pacing import OPENS_AT
from worker.poller.reading import Unreadable
from worker.providers.remote import Gone, Unavailable

BARREN = 20
"""So many pages in a walk may show nothing that is looked for; more, where more than ten times as many jobs are."""
SINGLES = 300
"""So many jobs are asked for one by one in one walk; the rest waits for the next."""
_AT_ONCE = 8

Go = Callable[[], Awaitable[None]]
"""Waits until the next request may be made; raises when none may be made any more."""


@dataclass(slots=True)
class Sighting:
    """What came of a step: the statuses of jobs by remote id, jobs that the server does not know, jobs it botched."""

    statuses: Mapping[str, str | None] = field(default_factory=dict)
    gone: Sequence[str] = ()
    unread: Sequence[str] = ()


Report = Callable[[Sighting], Awaitable[None]]


async def walk(door: Door, wanted: Iterable[str], go: Go, report: Report) -> None:
    """Look for the `wanted` remote ids and report them step by step.

    Ends early, with Unavailable or AccessRefused, when the server is in trouble or refuses; what was not reported
    by then was not seen.
    """
    unseen = dict.fromkeys(wanted)
    lists = False
    if door.lists:
        with suppress(Unreadable):  # whoever cannot list may still answer for single jobs
            lists = await _over_pages(door, unseen, go, report)
    await _one_by_one(door, list(unseen)[:SINGLES], go, report, is_well=lists)


async def _over_pages(door: Door, unseen: dict[str, None], go: Go, report: Report) -> bool:
    """Takes what it finds out of `unseen`; returns whether it asked for any page, which the server then answered."""
    barren, after, cursors = 0, None, set[str]()
    patience = max(BARREN, len(unseen) // 10)
    while len(unseen) > 1 and barren < min(len(unseen), patience):
        await go()
        page = await door.page(after)
        found = {remote_id: status for remote_id, status in page.statuses.items() if remote_id in unseen}
        for remote_id in found:
            del unseen[remote_id]
        barren += not found
        if found:
            await report(Sighting(found))
        if page.after is None or page.after in cursors:
            return True
        after = page.after
        cursors.add(after)
    return after is not None


async def _one_by_one(door: Door, remote_ids: Sequence[str], go: Go, report: Report, *, is_well: bool) -> None:
    failures = 0
    for first in range(0, len(remote_ids), _AT_ONCE):
        batch = remote_ids[first:first + _AT_ONCE]
        answers = await asyncio.gather(*(_ask(door, remote_id, go) for remote_id in batch), return_exceptions=True)
        told = dict(zip(batch, answers, strict=True))
        sighting = Sighting({each: status for each, status in told.items() if not isinstance(status, BaseException)},
                            [each for each, answer in told.items() if isinstance(answer, Gone)],
                            [each for each, answer in told.items() if _is_its_own(answer)])
        await report(sighting)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, Gone) and not _is_its_own(answer):
                raise answer
        failures = 0 if sighting.statuses or sighting.gone else failures + len(sighting.unread)
        if failures >= OPENS_AT and not is_well:
            raise Unavailable("The server answers for no job.")


async def _ask(door: Door, remote_id: str, go: Go) -> str | None:
    await go()
    return await door.job(remote_id)


def _is_its_own(answer: object) -> bool:
    """Trouble of one job, which says nothing of the others: no limit of rate, and no refusal."""
    return isinstance(answer, Unavailable) and answer.retry_after is None
