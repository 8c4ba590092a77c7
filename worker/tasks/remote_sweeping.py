"""Ends training at servers that nobody here waits for."""

import logging
from datetime import datetime, timedelta

from service.jobs.operations import remote_sweeping
from service.kit.work import Work
from service.settings import settings
from service.tenants import queries as tenants
from worker.app import Running, task, unit_of_work
from worker.providers.remote import Ambiguous, Gone, Refused, Remote, RemoteJob
from worker.tasks.remote import LockedOut, Unreachable, cancel_extra, reaching

_log = logging.getLogger(__name__)
_MOST_PAGES = 500


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
                cancel_extra(server, remote_id)
    except LockedOut:
        return None
    except Unreachable as trouble:
        return max(again, trouble.wait)
    except (Ambiguous, Refused, Gone) as odd:
        _log.warning("the jobs of %s cannot be listed: %s", credential_id, odd)
    return again


def _ours(running: Running, server: Remote, house: str, since: datetime) -> list[RemoteJob]:
    """Newest first, page by page: only what bears our mark is kept, whatever else shares the account."""
    kept: list[RemoteJob] = []
    after: str | None = None
    for number in range(_MOST_PAGES):
        page = server.jobs(after=after, limit=100)
        running.advance(number)
        kept += [job for job in page.items if remote_sweeping.is_ours(job, running.claim.project_id, house)]
        after = page.after
        if after is None or not any(job.created_at is None or job.created_at >= since for job in page.items):
            break
    return kept
