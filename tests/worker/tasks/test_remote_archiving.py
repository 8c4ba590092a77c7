"""What is trained at a server for a project that is archived is ended at once."""

from sqlalchemy import text

from service.jobs.states import JobStatus
from service.kit.database import transaction
from service.kit.work import Work
from tests.fixtures.api import Administrator, Tenant
from tests.worker.poller.attempts import live
from tests.worker.tasks.paying_house import PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedServer


def archive(administrator: Administrator, project_id: str) -> None:
    answer = administrator.client.post(f"/v1/organization/projects/{project_id}/archive")
    assert (answer.status_code, answer.json()["status"]) == (200, "archived")


def due(tenant: Tenant) -> set[tuple[str, str]]:
    """Work on jobs at servers that need not wait."""
    with transaction(tenant.scope) as session:
        found = session.execute(text("select kind, subject from work_items where run_at <= now()"
                                     " and next_dispatch <= now() and kind in ('jobs.follow', 'jobs.submit')"))
        return {(row.kind, row.subject) for row in found}


def test_jobs_at_a_server_are_cancelled_without_waiting_for_their_next_look(
        paying: PayingHouse, server: ScriptedServer, administrator: Administrator) -> None:
    job_id, remote_id = paying.sent()
    server.move(remote_id, "running")
    paying.follow(job_id)
    assert due(paying.tenant) == set()
    archive(administrator, paying.tenant.project_id)
    assert due(paying.tenant) == {(Work.FOLLOW_JOB.value, job_id)}
    paying.follow(job_id)
    assert server.only.job.status == "cancelled"
    assert paying.status(job_id) is JobStatus.CANCELLED
    assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]


def test_a_job_that_waits_for_its_server_is_never_sent(paying: PayingHouse, server: ScriptedServer,
                                                       administrator: Administrator) -> None:
    job_id = paying.job()
    server.fail("create", "unavailable")
    paying.submit(job_id)
    assert due(paying.tenant) == set()
    archive(administrator, paying.tenant.project_id)
    assert due(paying.tenant) == {(Work.SUBMIT_JOB.value, job_id)}
    paying.submit(job_id)
    assert (paying.status(job_id), server.trainings) == (JobStatus.CANCELLED, {})


def test_jobs_of_other_projects_and_jobs_that_have_ended_are_left_alone(
        paying: PayingHouse, server: ScriptedServer, stranger: Tenant, administrator: Administrator) -> None:
    live(stranger, ["ftjob-theirs"])
    job_id, remote_id = paying.sent()
    server.move(remote_id, "succeeded")
    paying.follow(job_id)
    archive(administrator, paying.tenant.project_id)
    assert due(paying.tenant) == due(stranger) == set()


def test_archiving_twice_and_a_project_that_there_is_not(tenant: Tenant, administrator: Administrator) -> None:
    for _ in range(2):
        archive(administrator, tenant.project_id)
    answer = administrator.client.post("/v1/organization/projects/proj_unknown/archive")
    assert answer.status_code == 404
