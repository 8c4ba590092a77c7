"""Jobs that are at a remote server, as the poller finds them: rows made directly, in any number."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, text

from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import DISPATCH, transaction
from service.kit.identifiers import new_id
from service.kit.work import Work
from tests.fixtures.api import Tenant

CREDENTIAL = "cred_of_the_poller"


def live(tenant: Tenant, remote_ids: Iterable[str], *, credential_id: str = CREDENTIAL, status: str = "running",
         provider: str = "openai", due: str = "now()") -> list[str]:
    """Attempts that are due now, or when the SQL expression says; their ids."""
    jobs: list[dict[str, Any]] = []
    attempts: list[dict[str, Any]] = []
    for remote_id in remote_ids:
        jobs.append({
            "id": new_id("ftjob-"), "project_id": tenant.project_id, "organization_id": tenant.organization_id,
            "model": "gpt-4o-mini-2024-07-18", "base_model": "gpt-4o-mini-2024-07-18", "provider": provider,
            "method": {"type": "supervised"}, "training_file": "file-gone", "seed": 1, "model_code": "code"})
        attempts.append({
            "id": new_id("rjob_"), "project_id": tenant.project_id, "job_id": jobs[-1]["id"], "state": "live",
            "credential_id": credential_id, "provider": provider, "key": new_id("key_"), "remote_id": remote_id,
            "remote_status": status})
    with transaction(tenant.scope) as session:
        session.execute(insert(Job), jobs)
        session.execute(insert(RemoteAttempt), attempts)
        session.execute(text(f"update remote_jobs set next_poll_at = {due} where id = any(:ids)"),
                        {"ids": [attempt["id"] for attempt in attempts]})
    return [attempt["id"] for attempt in attempts]


def change(tenant: Tenant, ids: Sequence[str], **values: str) -> None:
    """SQL expressions for columns."""
    assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
    with transaction(tenant.scope) as session:
        session.execute(text(f"update remote_jobs set {assignments} where id = any(:ids)"), {"ids": list(ids)})


def all_due() -> None:
    """Time passes: everything that waits has waited long enough, and every lease is over."""
    with transaction(DISPATCH) as session:
        session.execute(text("update remote_jobs set next_poll_at = now() - interval '1 second'"
                             " where next_poll_at is not null"))


def rows() -> dict[str, Any]:
    """Every attempt by its id: `waits` is in how many seconds it is due."""
    with transaction(DISPATCH) as session:
        found = session.execute(text("select id, remote_id, poll_lease, poll_failures, polled_at, next_poll_at, state,"
                                     " extract(epoch from next_poll_at - now())::float8 as waits from remote_jobs"))
        return {row.id: row for row in found}


def followed(tenant: Tenant) -> set[str]:
    """Attempts whose jobs are to be followed."""
    with transaction(tenant.scope) as session:
        return set(session.scalars(text("select attempt.id from remote_jobs attempt join work_items item"
                                        " on item.subject = attempt.job_id and item.kind = :kind"),
                                   {"kind": Work.FOLLOW_JOB.value}))
