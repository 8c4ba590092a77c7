"""A job's log as it is written: from the first line to the last, and then an end."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.jobs import queries
from service.jobs.operations import transitions
from service.jobs.operations.transitions import Line, Mirrored
from service.jobs.states import JobStatus
from service.kit.database import database_now, transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.sse import opened
from tests.service.jobs.building import make_job


@pytest.fixture(autouse=True)
def long_streams(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_STREAM_SECONDS", "600")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def path(job_id: str) -> str:
    return f"/v1/fine_tuning/jobs/{job_id}/events/stream"


def log(tenant: Tenant, job_id: str, *lines: Line) -> None:
    with transaction(tenant.scope) as session:
        job = queries.job(session, job_id)
        assert job is not None
        transitions.log(session, job, lines)


def move(tenant: Tenant, job_id: str, to: JobStatus) -> None:
    with transaction(tenant.scope) as session:
        transitions.transition(session, job_id, to, because=Line(f"Now {to}", key=f"now {to}"))


def test_a_log_is_told_from_its_first_line_and_ends_with_the_job(tenant: Tenant, live_api: str) -> None:
    job_id = make_job(tenant, JobStatus.RUNNING)
    before = len(tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/events").json()["data"])
    with opened(live_api, path(job_id), tenant.key) as stream:
        assert len(stream.take(before)) == before
        log(tenant, job_id, Line("Step 1/2: training loss=1.00", key="step 1", type="metrics", data={"step": 1}))
        [step] = stream.take(1)
        move(tenant, job_id, JobStatus.SUCCEEDED)
        last, done = stream
    assert (step.event, step.data["data"], step.data["object"]) == ("metrics", {"step": 1}, "fine_tuning.job.event")
    assert (last.event, last.data["message"]) == ("message", "Now succeeded")
    assert (done.event, done.data) == ("done", {"id": job_id, "object": "fine_tuning.job", "status": "succeeded"})
    listed = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/events").json()["data"]
    assert (listed[0], listed[1]) == (last.data, step.data)


def test_the_log_of_a_job_that_ended_is_told_and_done(tenant: Tenant, live_api: str) -> None:
    job_id = make_job(tenant, JobStatus.FAILED)
    log(tenant, job_id, *(Line(f"Line {number}") for number in range(450)))
    with opened(live_api, path(job_id), tenant.key) as stream:
        received = list(stream)
    assert len(received) == len({each.id for each in received}) > 450
    assert [each.event for each in received].index("done") == len(received) - 1
    again = tenant.client.get(path(job_id), headers={"last-event-id": stream.last_id})
    assert (again.status_code, again.content) == (204, b"")
    with opened(live_api, path(job_id), tenant.key, last_id=received[-3].id) as later:
        assert [each.id for each in later][:-1] == [received[-2].id]


def test_the_end_waits_for_lines_that_wait_for_an_older_transaction(tenant: Tenant, live_api: str) -> None:
    job_id = make_job(tenant, JobStatus.RUNNING)
    with opened(live_api, path(job_id), tenant.key, begin="now") as stream:
        with transaction(tenant.scope) as older:
            older.execute(text("select pg_current_xact_id()"))
            move(tenant, job_id, JobStatus.CANCELLED)
            with (opened(live_api, path(job_id), tenant.key, last_id=stream.last_id, timeout=0.5) as early,
                  pytest.raises(TimeoutError)):
                list(early)
        assert [each.data.get("message", "done") for each in stream] == ["Now cancelled", "done"]


def test_a_line_of_another_server_goes_by_its_id_there(tenant: Tenant, live_api: str) -> None:
    job_id = make_job(tenant, JobStatus.RUNNING)
    with transaction(tenant.scope) as session:
        job = queries.job(session, job_id)
        assert job is not None
        transitions.mirror(session, job, [Mirrored(f"Line {name}", key=name, alias=f"ftevent-{name}",
                                                   at=database_now(session)) for name in ("a", "b")])
    with opened(live_api, path(job_id), tenant.key, last_id="ftevent-a") as stream:
        [received] = stream.take(1)
    assert (received.id, received.data["id"]) == ("ftevent-b", "ftevent-b")


@pytest.mark.parametrize("alias", ["x\n\nevent: done\ndata: {}", "x\revent: done", " x", "ü"])
def test_an_id_of_another_server_breaks_out_of_no_line_and_brings_clients_back(tenant: Tenant, live_api: str,
                                                                               alias: str) -> None:
    job_id = make_job(tenant, JobStatus.RUNNING)
    with transaction(tenant.scope) as session:
        job = queries.job(session, job_id)
        assert job is not None
        transitions.mirror(session, job, [Mirrored("Theirs", alias=alias, at=database_now(session))])
    log(tenant, job_id, Line("Ours"))
    before = len(tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/events").json()["data"])
    with opened(live_api, path(job_id), tenant.key) as stream:
        told = stream.take(before)
    assert [each.data["message"] for each in told[-2:]] == ["Theirs", "Ours"]
    with opened(live_api, path(job_id), tenant.key, last_id=told[-2].id) as stream:
        assert stream.take(1) == told[-1:]


def test_a_log_is_followed_by_its_project_only_and_from_its_own_lines(tenant: Tenant, stranger: Tenant,
                                                                     live_api: str) -> None:
    job_id, other_id = make_job(tenant), make_job(tenant)
    line = tenant.client.get(f"/v1/fine_tuning/jobs/{other_id}/events").json()["data"][0]["id"]
    with opened(live_api, path(job_id), stranger.key) as refused:
        assert refused.answer.status == 404
    with opened(live_api, path(job_id), tenant.key, last_id=line) as refused:
        assert refused.answer.status == 400


def test_a_place_or_an_end_in_another_jobs_log_is_none_in_this(tenant: Tenant, live_api: str) -> None:
    job_id, other_id = make_job(tenant, JobStatus.SUCCEEDED), make_job(tenant, JobStatus.SUCCEEDED)
    with opened(live_api, path(other_id), tenant.key, begin="now") as stream:
        foreign = [stream.last_id]
        foreign += [each.id for each in stream]
    assert len(foreign) == 2
    for place in foreign:
        answer = tenant.client.get(path(job_id), headers={"last-event-id": place})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "last_event_id_unknown"), place
        assert tenant.client.get(path(other_id), headers={"last-event-id": place}).status_code in {200, 204}
