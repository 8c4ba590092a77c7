"""What a server's own webhook comes to: a hint to look now. It is never believed, only followed up."""

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOOK_NOW = text("""
    update remote_jobs set next_poll_at = now()
    where credential_id = :credential_id and remote_id = :remote_id and state = 'live' and next_poll_at is not null
    returning project_id, job_id
""")


def look_now(session: Session, credential_id: str, remote_id: str) -> list[tuple[str, str]]:
    """Make the job due for the pollers, in their own role; returns project and id of each job of ours that it is."""
    found = session.execute(_LOOK_NOW, {"credential_id": credential_id, "remote_id": remote_id})
    return [(row.project_id, row.job_id) for row in found]
