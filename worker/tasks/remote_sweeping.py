"""Ends training at servers that nobody here waits for."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from service.jobs.operations import remote_sweeping
from service.kit.work import Work
from service.settings import settings
from service.tenants import queries as tenants
from worker.app import Running, task, unit_of_work
from worker.providers.remote import Ambiguous, Gone, Refused, Remote, RemoteJob
from worker.tasks.remote_reaching import Unreachable, cancel_extra, reaching

_log = logging.getLogger(__name__)
_MOST_PAGES = 500
MOST_KEPT = 20_000
"""Jobs of ours in one sweep. Without a bound, one server's list could take all of a worker's memory."""


@task(Work.SWEEP_CREDENTIAL)
def sweep(running: Running) -> timedelta | None:
    """List what a credential's server trains, and cancel what is ours and nobody's."""
    credential_id, project_id = running.claim.subject, running.claim.project_id
    with unit_of_work(running.claim) as session:
        again = remote_sweeping.next_sweep(session, credential_id)
        remote_sweeping.wake_unsent(session, project_id, credential_id)
        house = tenants.project(session, project_id).organization_id
        since = remote_sweeping.horizon(session)
    if again is None or not settings().remote_sweep:
        return again
    try:
        with reaching(running, credential_id) as server:
            seen = _ours(running, server, house, since)
            with unit_of_work(running.claim) as session:
                doomed = remote_sweeping.judge(session, project_id, house, seen)
            for remote_id in doomed:
                running.advance(f"cancel:{remote_id}")
                cancel_extra(server, remote_id)
            _erase(running, server, credential_id)
    except Unreachable as trouble:
        return max(again, trouble.wait)
    except (Ambiguous, Refused, Gone) as odd:
        _log.warning("the jobs of %s cannot be listed: %s", credential_id, odd)
    return again


def _erase(running: Running, server: Remote, credential_id: str) -> None:
    """What is deleted here is deleted there too, once no job needs it."""
    with unit_of_work(running.claim) as session:
        files = remote_sweeping.abandoned_files(session, credential_id)
    for file_id, remote_id in files:
        server.delete_file(remote_id)
        running.advance(remote_id)
        with unit_of_work(running.claim) as session:
            remote_sweeping.note_erased(session, file_id, credential_id)


def _ours(running: Running, server: Remote, house: str, since: datetime) -> list[RemoteJob]:
    """Newest first, page by page: only what bears our mark is kept, whatever else shares the account."""
    kept: list[RemoteJob] = []
    after: str | None = None
    for number in range(_MOST_PAGES):
        page = server.jobs(after=after, limit=100)
        running.advance(number)
        kept += [replace(job, body={}) for job in page.items
                 if remote_sweeping.is_ours(job, running.claim.project_id, house)]
        after = page.after
        is_young = any(job.created_at is None or job.created_at >= since for job in page.items)
        if after is None or len(kept) >= MOST_KEPT or not is_young:
            break
    return kept[:MOST_KEPT]
