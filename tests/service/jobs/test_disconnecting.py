"""A credential is not deleted while its server has jobs, unless that is insisted on; what stays there is told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text

from service.catalog import operations as catalog
from service.credentials.errors import CredentialInUse
from service.credentials.tables import Credential
from service.jobs.operations import delete_credential, remote
from service.jobs.states import JobStatus
from service.jobs.tables import RemoteAttempt, RemoteFile
from service.kit.database import DISPATCH, Scope, transaction, within
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from tests.fixtures.api import Administrator, Tenant
from tests.service.credentials.storing import store
from tests.service.jobs.building import make_job, until_somebody_waits

LIVE = ["sending", "unknown", "live"]


def at_server(tenant: Tenant, credential_id: str, state: str = "live") -> tuple[str, str]:
    """A queued job with an attempt in this state: ids of both."""
    job_id, attempt_id = make_job(tenant, JobStatus.QUEUED), new_id("rjob_")
    with transaction(tenant.scope) as session:
        session.execute(insert(RemoteAttempt).values(
            id=attempt_id, project_id=tenant.project_id, job_id=job_id, credential_id=credential_id, provider="openai",
            key=new_id("key_"), state=state, remote_id="ftjob-there" if state == "live" else None))
    return job_id, attempt_id


def file_there(tenant: Tenant, credential_id: str, remote_id: str, state: str = "uploaded") -> None:
    with transaction(tenant.scope) as session:
        session.execute(insert(RemoteFile).values(
            id=new_id("rfile_"), project_id=tenant.project_id, file_id=new_id("file-"), credential_id=credential_id,
            sha256="0" * 64, state=state, remote_file_id=remote_id))


def register(tenant: Tenant, name: str, credential_id: str) -> None:
    with transaction(tenant.scope) as session:
        catalog.register_remote_model(session, project_id=tenant.project_id, job_id="", step=0, name=name,
                                      base_model="gpt-4o", provider="openai", credential_id=credential_id)


def deleted_at(tenant: Tenant, credential_id: str) -> datetime | None:
    with transaction(tenant.scope) as session:
        return session.get_one(Credential, credential_id).deleted_at


class TestRefusing:
    @pytest.mark.parametrize("state", LIVE)
    def test_what_the_server_has_or_may_have_keeps_the_credential(self, tenant: Tenant, state: str) -> None:
        credential = store(tenant)["id"]
        job_id, _ = at_server(tenant, credential, state)
        answer = tenant.client.delete(f"/v1/credentials/{credential}")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"], error["type"]) == (
            409, "credential_in_use", "credential_id", "invalid_request_error")
        assert answer.headers["x-should-retry"] == "false"
        for words in ("1 job is at its server", job_id, "Cancel them", "?force=true"):
            assert words in error["message"]
        assert deleted_at(tenant, credential) is None

    @pytest.mark.parametrize("state", ["intended", "ended", "released"])
    def test_what_the_server_has_not_keeps_nothing(self, tenant: Tenant, state: str) -> None:
        credential = store(tenant)["id"]
        at_server(tenant, credential, state)
        answer = tenant.client.delete(f"/v1/credentials/{credential}")
        assert (answer.status_code, answer.json()["jobs_left"]) == (200, 0)

    def test_jobs_of_another_credential_do_not_count(self, tenant: Tenant) -> None:
        at_server(tenant, store(tenant)["id"])
        assert tenant.client.delete(f"/v1/credentials/{store(tenant, name='spare')['id']}").status_code == 200

    def test_many_are_counted_and_some_are_named(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        jobs = [at_server(tenant, credential)[0] for _ in range(7)]
        message = tenant.client.delete(f"/v1/credentials/{credential}").json()["error"]["message"]
        assert "7 jobs are at its server" in message
        assert f"{', '.join(jobs[:5])} and 2 more" in message
        assert jobs[5] not in message

    def test_who_insists_is_told_what_stays_there(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        at_server(tenant, credential)
        answer = tenant.client.delete(f"/v1/credentials/{credential}?force=true")
        assert (answer.status_code, answer.json()["jobs_left"], answer.json()["remote_job_ids"]) == (
            200, 1, ["ftjob-there"])
        assert deleted_at(tenant, credential) is not None


class TestShared:
    def test_jobs_of_any_project_keep_it_and_only_projects_are_named(
            self, tenant: Tenant, stranger: Tenant, administrator: Administrator) -> None:
        credential = store(administrator.client)["id"]
        jobs = [at_server(each, credential)[0] for each in (tenant, stranger)]
        path = f"/v1/organization/credentials/{credential}"
        answer = administrator.client.delete(path)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "credential_in_use")
        assert "2 jobs are at its server" in error["message"]
        assert f"(of {tenant.project_id}, {stranger.project_id})" in error["message"]
        assert not any(job in error["message"] for job in jobs)
        assert administrator.client.get(path).status_code == 200
        assert administrator.client.delete(f"{path}?force=true").json()["jobs_left"] == 2
        assert administrator.client.get(path).status_code == 404

    def test_copies_of_all_projects_are_told(self, tenant: Tenant, stranger: Tenant,
                                             administrator: Administrator) -> None:
        credential = store(administrator.client)["id"]
        for each, name in ((tenant, "file-one"), (stranger, "file-two")):
            at_server(each, credential, "ended")
            file_there(each, credential, name)
        told = administrator.client.delete(f"/v1/organization/credentials/{credential}").json()
        assert (told["files_left"], sorted(told["remote_file_ids"])) == (2, ["file-one", "file-two"])


class TestCopies:
    def test_copies_that_stay_are_in_the_answer_and_in_the_audit_log(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        for number in range(101):
            file_there(tenant, credential, f"file-{number}")
        file_there(tenant, credential, "file-erased", state="gone")
        told = tenant.client.delete(f"/v1/credentials/{credential}").json()
        assert (told["files_left"], told["remote_file_ids"]) == (101, [f"file-{number}" for number in range(100)])
        with transaction(tenant.scope) as session:
            [details] = session.scalars(text("select details from audit_entries where action = 'credential.deleted'"))
        assert details == {"force": False, "jobs_left": 0, "remote_job_ids": [], "files_left": 101, "models_left": 0,
                           "remote_file_ids": told["remote_file_ids"]}


class TestModels:
    def test_models_that_it_led_to_are_counted(self, tenant: Tenant) -> None:
        credential, other = store(tenant)["id"], store(tenant, name="other")["id"]
        register(tenant, "ft:one", credential)
        register(tenant, "ft:two", credential)
        register(tenant, "ft:three", other)
        assert tenant.client.delete("/v1/models/ft:two").status_code == 200
        assert tenant.client.delete(f"/v1/credentials/{credential}").json()["models_left"] == 1

    def test_those_of_all_projects_are_counted_though_none_of_them_trained(
            self, tenant: Tenant, stranger: Tenant, administrator: Administrator) -> None:
        credential = store(administrator.client)["id"]
        for each in (tenant, stranger):
            register(each, "ft:imported", credential)
        told = administrator.client.delete(f"/v1/organization/credentials/{credential}").json()
        assert told["models_left"] == 2


class TestWaking:
    """What waits for the credential waits no longer."""

    def due(self, tenant: Tenant) -> set[tuple[str, str]]:
        with transaction(tenant.scope) as session:
            return {(row.kind, row.subject) for row in session.execute(text(
                "select kind, subject from work_items where run_at <= now()"
                " and kind in ('jobs.submit', 'jobs.follow')"))}

    def test_each_job_is_looked_at_at_once(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        jobs = {state: at_server(tenant, credential, state)[0] for state in ("intended", "unknown", "live", "ended")}
        with transaction(tenant.scope) as session:
            for kind, state in ((Work.SUBMIT_JOB, "intended"), (Work.FOLLOW_JOB, "live")):
                enqueue(session, kind, jobs[state], project_id=tenant.project_id,
                        run_at=datetime.now(UTC) + timedelta(minutes=5))
        assert self.due(tenant) == set()
        assert tenant.client.delete(f"/v1/credentials/{credential}?force=true").status_code == 200
        assert self.due(tenant) == {("jobs.submit", jobs["intended"]), ("jobs.submit", jobs["unknown"]),
                                    ("jobs.follow", jobs["live"])}

    def test_jobs_of_all_projects_are(self, tenant: Tenant, stranger: Tenant, administrator: Administrator) -> None:
        credential = store(administrator.client)["id"]
        jobs = {each.project_id: at_server(each, credential, "intended")[0] for each in (tenant, stranger)}
        assert administrator.client.delete(f"/v1/organization/credentials/{credential}").status_code == 200
        for each in (tenant, stranger):
            assert self.due(each) == {("jobs.submit", jobs[each.project_id])}

    def test_a_deletion_that_is_refused_wakes_nobody(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        at_server(tenant, credential)
        assert tenant.client.delete(f"/v1/credentials/{credential}").status_code == 409
        assert self.due(tenant) == set()


class TestRaces:
    def test_a_job_that_is_about_to_be_sent_waits_for_the_deletion_and_is_not_sent(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        _, attempt_id = at_server(tenant, credential, "intended")
        begun = threading.Event()

        def send() -> bool:
            with transaction(tenant.scope) as session:
                begun.set()
                return remote.mark_sending(session, attempt_id)

        with ThreadPoolExecutor(1) as pool:
            with transaction(tenant.scope) as session:
                delete_credential(session, credential, force=False, by="key_test")
                sending = pool.submit(send)
                begun.wait()
                until_somebody_waits()
            assert sending.result() is False

    def test_a_job_that_is_being_sent_is_seen_by_the_deletion_which_waits_for_it(self, tenant: Tenant) -> None:
        credential = store(tenant)["id"]
        _, attempt_id = at_server(tenant, credential, "intended")

        def delete() -> None:
            with transaction(tenant.scope) as session:
                delete_credential(session, credential, force=False, by="key_test")

        with ThreadPoolExecutor(1) as pool:
            with transaction(tenant.scope) as session:
                assert remote.mark_sending(session, attempt_id) is True
                deleting = pool.submit(delete)
                until_somebody_waits()
            with pytest.raises(CredentialInUse):
                deleting.result()
        assert deleted_at(tenant, credential) is None


def test_a_part_of_a_transaction_sees_what_another_scope_does_and_no_more(tenant: Tenant, stranger: Tenant) -> None:
    job_id, _ = at_server(stranger, "cred_x")
    seen = select(RemoteAttempt.job_id)
    with transaction(tenant.scope) as session:
        assert session.scalars(seen).all() == []
        with within(session, DISPATCH):
            assert session.scalars(seen).all() == [job_id]
        assert session.scalars(seen).all() == []
        with within(session, Scope.project(stranger.project_id)):
            assert session.scalars(seen).all() == [job_id]
        assert session.scalars(seen).all() == []
        assert session.info["scope"] == tenant.scope
