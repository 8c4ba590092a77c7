"""Announces the ends of a project's tuned models, once a day for as long as it has any."""

from datetime import timedelta

from service.catalog import announcements
from service.kit.work import Work
from worker.app import Running, task, unit_of_work


@task(Work.ANNOUNCE_RETIREMENT)
def announce(running: Running) -> timedelta | None:
    """Page by page. A project without tuned models is left alone until it gets one."""
    with unit_of_work(running.claim) as session:
        bases = announcements.dying(session)
    if bases is None:
        return None
    after: int | None = 0
    while bases and after is not None:
        with unit_of_work(running.claim) as session:
            after = announcements.announce(session, running.claim.project_id, bases, after=after)
        running.advance(after)
    return announcements.EVERY
