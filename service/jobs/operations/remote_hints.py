"""Hints to look now: a server's own webhook, which is never believed but followed up, and a credential that works."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.kit.work import Work, hasten

_LOOK_NOW = text("""
    update remote_jobs set next_poll_at = now()
    where credential_id = :credential_id and remote_id = :remote_id and state = 'live' and next_poll_at is not null
    returning project_id, job_id
""")


def look_now(session: Session, credential_id: str, remote_id: str) -> list[tuple[str, str]]:
    """Make the job due for the pollers, in their own role; returns project and id of each job of ours that it is."""
    found = session.execute(_LOOK_NOW, {"credential_id": credential_id, "remote_id": remote_id})
    return [(row.project_id, row.job_id) for row in found]


_LOOK_AT_ALL = text("""
    with waiting as (select id from remote_jobs where credential_id = :credential_id and state = 'live'
                     and next_poll_at is not null order by id for update)
    update remote_jobs set next_poll_at = now() where id in (select id from waiting)
""")
"""Locked in the order in which pollers lock them."""

_OPEN = text("""
    select job_id from remote_jobs where credential_id = :credential_id
    and state in ('intended', 'sending', 'unknown', 'live')
""")


def go_on(session: Session, credential_id: str) -> None:
    """Its server takes the credential again, so no job of any project waits any longer; in the pollers' own role."""
    jobs = session.scalars(_OPEN, {"credential_id": credential_id}).all()
    hasten(session, [Work.SUBMIT_JOB, Work.FOLLOW_JOB], jobs)
    session.execute(_LOOK_AT_ALL, {"credential_id": credential_id})
