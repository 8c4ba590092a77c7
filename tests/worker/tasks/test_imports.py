"""A whole estate comes home from a real (simulated) server: all of it, once, under its old ids, whoever is killed."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy import select

from service.catalog.tables import TunedModel
from service.credentials.tables import Credential
from service.files import operations as files
from service.jobs.operations import remote_files
from service.jobs.tables import RemoteAttempt, RemoteFile
from service.kit.database import transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.server import MakeSDK
from tests.remote.control import Simulator
from tests.service.jobs.building import make_file
from tests.worker.poller.attempts import live
from tests.worker.tasks.homecoming import Home, found_home, killing
from tests.worker.tasks.running import work_off
from worker.app import Running
from worker.tasks import imports, remote_opening
from worker.tasks.remote_results import decoded

JOBS = "/v1/fine_tuning/jobs"


@pytest.fixture
def _open_house(house: None) -> Iterator[None]:
    """Servers on loopback are allowed, and nothing is asked slowly."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
    patch.setenv("TUNEWORKS_IMPORT_REQUESTS_PER_SECOND", "100000")
    settings.cache_clear()
    yield
    patch.undo()
    settings.cache_clear()


@pytest.fixture
def home(_open_house: None, tenant: Tenant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Home:
    simulator.run(0)
    found = found_home(tenant, simulator)
    monkeypatch.setattr(remote_opening, "open_remote", found.open)
    return found


@pytest.fixture
def other(home: Home, stranger: Tenant) -> Home:
    """Another project that reads the same estate."""
    return found_home(stranger, home.simulator)


def seeded(home: Home, **wanted: Any) -> dict[str, Any]:
    return home.simulator.estate(**{"files": 12, "jobs": 8, **wanted})


def there(simulator: Simulator) -> OpenAI:
    """What a client of old sees at the server."""
    return OpenAI(base_url=simulator.base_url, api_key=simulator.key, max_retries=0)


def reads(simulator: Simulator) -> list[str]:
    """Every request that the server saw from an importer, in order: those of the official client name themselves."""
    return [f"{each['method']} {each['path']}" for each in simulator.requests()]


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Everything that the server says of an object is said here too."""
    assert {name: ours.get(name) for name in theirs} == theirs


class TestEverything:
    def test_files_jobs_events_checkpoints_results_and_models_come_home(self, home: Home) -> None:
        estate = seeded(home)
        done = home.bring()
        assert (done["status"], done["stage"], done["percent"], done["error"]) == ("succeeded", "done", 100.0, None)
        counts = done["counts"]
        assert [counts[kind]["imported"] for kind in ("files", "jobs", "models")] == [
            estate["files"], estate["jobs"], estate["models"]]
        assert [counts[kind]["problems"] for kind in ("files", "jobs", "models")] == [0, 0, 0]
        assert home.problems(done["id"]) == []
        assert home.doubled() == {}

    def test_a_client_of_old_reads_here_what_it_read_there(self, home: Home) -> None:
        seeded(home)
        home.bring()
        with there(home.simulator) as old:
            for job in old.fine_tuning.jobs.list(limit=100):
                told = job.to_dict()
                shown = home.get(f"{JOBS}/{job.id}")
                same(shown, {name: told[name] for name in (
                    "id", "object", "created_at", "finished_at", "fine_tuned_model", "organization_id", "result_files",
                    "status", "training_file", "validation_file", "trained_tokens", "model", "seed", "metadata",
                    "error", "method", "user_provided_suffix") if name in told})
                lines = [line.to_dict() for line in old.fine_tuning.jobs.list_events(job.id, limit=100)]
                assert [each["id"] for each in home.all(f"{JOBS}/{job.id}/events", limit=7)] == [
                    each["id"] for each in lines]
                newest = home.get(f"{JOBS}/{job.id}/events", limit=1)["data"][0]
                same(newest, {name: lines[0][name] for name in ("message", "created_at", "level", "type")})
                checkpoints = [each.to_dict() for each in old.fine_tuning.jobs.checkpoints.list(job.id)]
                mine = home.all(f"{JOBS}/{job.id}/checkpoints", limit=2)
                assert len(mine) == len(checkpoints)
                for ours, theirs in zip(mine, checkpoints, strict=True):
                    same(ours, theirs)
            for file in old.files.list():
                content = home.tenant.client.get(f"/v1/files/{file.id}/content").content
                raw = old.files.content(file.id).read()
                same(home.get(f"/v1/files/{file.id}"), {
                    name: getattr(file, name) for name in ("id", "filename", "purpose", "created_at")})
                assert content == (base64.b64decode(raw) if file.purpose == "fine-tune-results" else raw)
            names = {model.id for model in old.models.list() if model.id.startswith("ft:")}
        assert names == {model["id"] for model in home.get("/v1/models")["data"] if model["id"].startswith("ft:")}

    def test_lists_keep_the_servers_order(self, home: Home) -> None:
        seeded(home)
        home.bring()
        with there(home.simulator) as old:
            assert [each["id"] for each in home.all(JOBS, limit=3)] == [
                job.id for job in old.fine_tuning.jobs.list(limit=100)]
            ours = [each["id"] for each in home.all("/v1/files", limit=5)]
            assert sorted(ours) == sorted(file.id for file in old.files.list())

    def test_nothing_is_written_at_the_server(self, home: Home) -> None:
        seeded(home)
        home.bring()
        assert {line.split()[0] for line in reads(home.simulator)} == {"GET"}

    def test_the_official_sdk_finds_old_ids(self, home: Home, sdk: MakeSDK) -> None:
        seeded(home, failed=0.0, cancelled=0.0)
        home.bring()
        with there(home.simulator) as old:
            expected = next(iter(old.fine_tuning.jobs.list()))
        client = sdk(home.tenant.key)
        job = client.fine_tuning.jobs.retrieve(expected.id)
        assert (job.id, job.training_file, job.status) == (expected.id, expected.training_file, "succeeded")
        assert len(list(client.fine_tuning.jobs.list_events(expected.id, limit=5))) > 5
        assert {each.fine_tuning_job_id for each in client.fine_tuning.jobs.checkpoints.list(expected.id)} == {
            expected.id}
        assert client.files.content(job.result_files[0]).read().startswith(b"step,train_loss")
        assert client.files.retrieve(job.training_file).id == job.training_file
        assert client.models.retrieve(str(job.fine_tuned_model)).id == job.fine_tuned_model

    def test_a_dry_run_counts_and_brings_nothing(self, home: Home) -> None:
        estate = seeded(home)
        done = home.bring(dry_run=True)
        assert done["status"] == "succeeded"
        counts = done["counts"]
        assert [counts[kind]["found"] for kind in ("files", "jobs", "models")] == [
            estate["files"], estate["jobs"], estate["models"]]
        assert counts["files"]["bytes_found"] > 0
        assert sum(each["imported"] for each in counts.values()) == 0
        assert home.get(JOBS)["data"] == []
        assert home.get("/v1/files")["data"] == []
        assert {call[0] for call in home.calls} == {"files", "jobs", "models"}

    def test_lists_of_several_pages_are_walked_to_their_end(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports, "_FILES_PAGE", 7)
        monkeypatch.setattr(imports, "_JOBS_PAGE", 4)  # 8 jobs: the last page is full
        estate = seeded(home)
        counts = home.bring()["counts"]
        assert (counts["files"]["imported"], counts["jobs"]["imported"]) == (estate["files"], estate["jobs"])
        assert home.doubled() == {}


class TestTwice:
    def test_a_second_import_asks_for_lists_only(self, home: Home) -> None:
        estate = seeded(home)
        home.bring()
        home.calls.clear()
        again = home.bring()
        assert {call[0] for call in home.calls} == {"files", "jobs", "models"}
        assert again["counts"]["jobs"] | {"found": 0} == {
            "found": 0, "imported": 0, "present": estate["jobs"], "problems": 0, "events": 0, "checkpoints": 0}
        assert len(home.all(JOBS)) == estate["jobs"]

    def test_models_whose_credential_is_deleted_are_led_to_by_the_second_ones(self, home: Home) -> None:
        seeded(home)
        home.bring()
        with transaction(home.tenant.scope) as session:
            first = set(session.scalars(select(TunedModel.credential_id)))
            credential = session.get_one(Credential, home.credential_id)
            credential.deleted_at = credential.created_at
        again = found_home(home.tenant, home.simulator)
        again.bring()
        with transaction(home.tenant.scope) as session:
            assert (first, set(session.scalars(select(TunedModel.credential_id)))) == (
                {home.credential_id}, {again.credential_id})

    def test_a_second_import_brings_what_is_new(self, home: Home) -> None:
        seeded(home)
        home.bring()
        home.simulator.estate(files=3, jobs=2, seed=9)
        home.calls.clear()
        again = home.bring()
        assert again["counts"]["jobs"]["imported"] == 2
        assert len([call for call in home.calls if call[0] == "events"]) == 2

    def test_two_projects_bring_the_same_estate_and_see_only_their_own(self, home: Home, other: Home,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
        estate = seeded(home)
        home.bring()
        [job, *_] = home.all(JOBS)
        unknown = other.tenant.client.get(f"{JOBS}/{job['id']}")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["message"] == f"Could not find fine tune: {job['id']}"
        assert other.tenant.client.get(f"/v1/files/{job['training_file']}/content").status_code == 404
        assert other.tenant.client.get(JOBS, params={"after": job["id"]}).status_code == 400
        monkeypatch.setattr(remote_opening, "open_remote", other.open)
        counts = other.bring()["counts"]
        assert (counts["files"]["imported"], counts["jobs"]["imported"]) == (estate["files"], estate["jobs"])
        assert [each["id"] for each in other.all(JOBS)] == [each["id"] for each in home.all(JOBS)]
        assert other.tenant.client.delete(f"/v1/files/{job['training_file']}").status_code == 200
        assert home.get(f"/v1/files/{job['training_file']}")["id"] == job["training_file"]

    def test_what_was_sent_there_from_here_is_here_already(self, home: Home) -> None:
        seeded(home, files=3, jobs=1, failed=0.0, cancelled=0.0)
        with there(home.simulator) as old:
            [job] = old.fine_tuning.jobs.list()
        live(home.tenant, [job.id], credential_id=home.credential_id)
        sent = make_file(home.tenant)
        with transaction(home.tenant.scope) as session:
            session.add(RemoteFile(id="rfile_1", project_id=home.tenant.project_id, file_id=sent, sha256="0",
                                   credential_id=home.credential_id, state="uploaded",
                                   remote_file_id=job.training_file))
            ours = session.scalars(select(RemoteAttempt.job_id)).one()
            files.register(session, project_id=home.tenant.project_id, filename="step_metrics.csv",
                           purpose="fine-tune-results", bytes=1, sha256="0", object_key="files/x", status="processed",
                           file_id=remote_files.result_id(ours, job.result_files[0]))
        counts = home.bring()["counts"]
        assert (counts["jobs"]["present"], counts["jobs"]["imported"]) == (1, 0)
        assert counts["files"]["present"] == 2
        assert counts["files"]["imported"] == counts["files"]["found"] - 2
        assert not {("content", job.training_file), ("content", job.result_files[0])} & set(home.calls)

    def test_a_file_that_was_deleted_here_comes_again(self, home: Home) -> None:
        seeded(home)
        home.bring()
        file_id = home.all("/v1/files")[0]["id"]
        assert home.tenant.client.delete(f"/v1/files/{file_id}").json() == {
            "id": file_id, "object": "file", "deleted": True}
        assert home.tenant.client.get(f"/v1/files/{file_id}").status_code == 404
        assert home.bring()["counts"]["files"]["imported"] == 1
        assert home.get(f"/v1/files/{file_id}")["id"] == file_id

    def test_only_one_import_reads_with_a_credential_at_a_time(self, home: Home) -> None:
        first = home.start()
        refused = home.tenant.client.post("/v1/imports", json={"provider": "openai"})
        assert refused.status_code == 409
        assert refused.headers["x-should-retry"] == "false"
        assert first in refused.json()["error"]["message"]
        assert home.start(dry_run=True) != first


class TestKills:
    @pytest.mark.parametrize("number", range(3))
    def test_killed_workers_leave_nothing_out_and_read_nothing_twice(self, home: Home, seed: int, number: int) -> None:
        estate = seeded(home, files=20, jobs=15)
        import_id = home.start()
        with killing(home, seed * 100 + number, share=0.15):
            kills = home.carry(import_id)
        done = home.told(import_id)
        assert kills > 3
        assert done["status"] == "succeeded"
        counts = done["counts"]
        assert [counts[kind]["imported"] for kind in ("files", "jobs", "models")] == [
            estate["files"], estate["jobs"], estate["models"]]
        assert len(home.all(JOBS)) == estate["jobs"]
        assert sum(times - 1 for times in home.doubled().values()) <= kills  # the call that was under way, no other
        assert set(home.doubled()) <= home.cut

    def test_what_stopped_workers_had_read_is_not_read_again(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        estate = seeded(home)
        import_id = home.start()
        monkeypatch.setattr(Running, "must_stop", property(lambda _: sum(home.calls.values()) % 5 == 4))
        for _ in range(4):
            home.step(import_id)
            home.calls["a new worker",] += 1
            home.hurry()
        assert home.told(import_id)["status"] == "running"
        monkeypatch.undo()
        monkeypatch.setattr(remote_opening, "open_remote", home.open)
        home.carry(import_id)
        del home.calls["a new worker",]
        assert home.doubled() == {}
        assert home.told(import_id)["counts"]["files"]["imported"] == estate["files"]


class TestTrouble:
    def test_files_that_the_server_keeps_to_itself_are_listed_with_its_reason(self, home: Home) -> None:
        seeded(home, files=3, jobs=2)
        file_id = self._refused(home)
        done = home.bring()
        [problem] = home.problems(done["id"])
        assert (problem["kind"], problem["remote_id"], problem["code"], problem["filename"]) == (
            "file", file_id, "refused", "notes.txt")
        assert problem["reason"].startswith("Not allowed to download files of purpose")
        assert done["status"] == "succeeded"
        assert done["counts"]["files"]["problems"] == 1
        assert home.tenant.client.get(f"/v1/files/{file_id}").status_code == 404

    @staticmethod
    def _refused(home: Home) -> str:
        with there(home.simulator) as old:
            file = old.files.create(file=("notes.txt", b"secret notes"), purpose="user_data")
        home.simulator.fault("status", path=f"/files/{file.id}/content", status=400, body={"error": {
            "message": "Not allowed to download files of purpose: user_data", "type": "invalid_request_error",
            "param": None, "code": None}})
        return file.id

    def test_a_file_that_vanishes_in_the_middle_is_a_problem_of_its_own(self, home: Home) -> None:
        seeded(home, files=4, jobs=3)
        with there(home.simulator) as old:
            lost = [file.id for file in old.files.list() if file.purpose == "fine-tune"][1]

        def vanish() -> None:
            if any(call[0] == "content" for call in home.calls) and lost:
                home.before = lambda: None
                with there(home.simulator) as old:
                    old.files.delete(lost)
        home.before = vanish
        done = home.bring()
        problems = {each["remote_id"]: each["code"] for each in home.problems(done["id"])}
        assert problems == {lost: "gone"}
        assert done["status"] == "succeeded"

    def test_files_that_only_jobs_name_are_asked_for_and_told_to_be_gone(self, home: Home) -> None:
        seeded(home, files=6, jobs=8, lost_files=0.5)
        with there(home.simulator) as old:
            listed = {file.id for file in old.files.list()}
            named = {each for job in old.fine_tuning.jobs.list(limit=100)
                     for each in (job.training_file, job.validation_file) if each}
        done = home.bring()
        problems = {each["remote_id"]: each["code"] for each in home.problems(done["id"])}
        assert named - listed
        assert problems == dict.fromkeys(named - listed, "gone")
        for each in home.problems(done["id"]):
            assert "Named by ftjob-" in each["reason"]
        looked = home.bring(dry_run=True)["counts"]
        assert looked["files"]["found"] == done["counts"]["files"]["found"]
        job = next(job for job in home.all(JOBS) if job["training_file"] in named - listed)
        assert home.get(f"{JOBS}/{job['id']}")["training_file"] == job["training_file"]

    def test_models_that_the_server_lists_no_more_are_told_and_not_offered(self, home: Home) -> None:
        seeded(home, failed=0.0, cancelled=0.0, lost_models=1.0)
        done = home.bring()
        job = home.all(JOBS)[0]
        assert {each["code"] for each in home.problems(done["id"]) if each["kind"] == "model"} == {"gone"}
        assert home.tenant.client.get(f"/v1/models/{job['fine_tuned_model']}").status_code == 404

    def test_jobs_that_still_run_are_left_for_another_import(self, home: Home) -> None:
        seeded(home, files=2, jobs=1)
        with there(home.simulator) as old:
            live = old.fine_tuning.jobs.create(model="gpt-4.1-mini-2025-04-14", training_file=next(
                file.id for file in old.files.list() if file.purpose == "fine-tune"))
        done = home.bring()
        assert (done["counts"]["jobs"]["imported"], done["counts"]["jobs"]["problems"]) == (1, 1)
        [problem] = home.problems(done["id"])
        assert (problem["remote_id"], problem["code"]) == (live.id, "not_ended")
        home.simulator.move(live.id, "succeeded")
        assert home.bring()["counts"]["jobs"]["imported"] == 1
        assert home.get(f"{JOBS}/{live.id}")["status"] == "succeeded"

    @pytest.mark.parametrize("what", ["events", "checkpoints"])
    def test_a_job_whose_log_is_not_given_comes_without_it(self, home: Home, what: str) -> None:
        seeded(home, files=3, jobs=2)
        home.simulator.fault("status", path=f"/{what}", status=404, count=1, body={"error": {
            "message": "Could not find fine tune", "type": "invalid_request_error", "param": None, "code": None}})
        done = home.bring()
        [problem] = home.problems(done["id"])
        assert problem["code"] == f"{what}_gone"
        assert done["counts"]["jobs"]["imported"] == 2

    def test_a_busy_server_is_waited_for_as_long_as_it_asks(self, home: Home) -> None:
        seeded(home, files=3, jobs=2)
        home.simulator.fault("status", path="/files", status=429, retry_after="321", count=1)
        import_id = home.start()
        home.step(import_id)
        with transaction(home.tenant.scope) as session:
            wait = session.connection().exec_driver_sql(
                "select extract(epoch from run_at - now()) from work_items where kind = 'imports.run'").scalar_one()
        assert 300 < wait <= 321
        waiting = home.told(import_id)
        assert waiting["status"] == "running"
        assert "could not be read 1 times in a row" in waiting["status_details"]
        home.hurry()
        home.carry(import_id)
        assert (home.told(import_id)["status"], home.told(import_id)["status_details"]) == ("succeeded", None)

    def test_an_object_over_which_the_server_stumbles_holds_up_no_other_and_is_tried_again(self, home: Home) -> None:
        seeded(home, files=4, jobs=2)
        with there(home.simulator) as old:
            bad = next(file.id for file in old.files.list() if file.purpose == "fine-tune")
        fault = home.simulator.fault("status", path=f"/files/{bad}/content", status=500)
        done = home.bring()
        assert done["status"] == "succeeded"
        assert [(each["remote_id"], each["code"]) for each in home.problems(done["id"])] == [(bad, "unreadable")]
        home.simulator.clear_faults(fault)
        assert home.tenant.client.post(f"/v1/imports/{done['id']}/resume").status_code == 200
        home.carry(done["id"])
        assert home.problems(done["id"]) == []
        assert home.told(done["id"])["counts"]["files"]["problems"] == 0
        assert home.get(f"/v1/files/{bad}")["id"] == bad
        assert home.tenant.client.post(f"/v1/imports/{done['id']}/resume").status_code == 400

    def test_a_server_that_gives_none_of_its_lists_fails_the_import_which_goes_on_when_that_is_mended(
            self, home: Home) -> None:
        estate = seeded(home, files=4, jobs=2)
        no_such_path = home.simulator.fault("status", path=".", status=404, body={"error": {
            "message": "Invalid URL (GET /files)", "type": "invalid_request_error", "param": None, "code": None}})
        for failed in (home.bring(dry_run=True), home.bring()):
            assert (failed["status"], failed["error"]["code"]) == ("failed", "nothing_listed")
            assert "Invalid URL (GET /files)" in failed["error"]["message"]
            assert "lack /v1" in failed["error"]["message"]
            assert [failed["counts"][kind]["problems"] for kind in ("files", "jobs", "models")] == [1, 1, 1]
        home.simulator.clear_faults(no_such_path)
        assert home.tenant.client.post(f"/v1/imports/{failed['id']}/resume").status_code == 200
        home.carry(failed["id"])
        done = home.told(failed["id"])
        assert (done["status"], done["error"], home.problems(done["id"])) == ("succeeded", None, [])
        assert (done["counts"]["files"]["imported"], done["counts"]["jobs"]["problems"]) == (estate["files"], 0)

    def test_a_server_that_is_gone_for_good_ends_the_import_which_can_go_on_later(self, home: Home) -> None:
        estate = seeded(home, files=4, jobs=2)
        import_id = home.start()
        home.simulator.refuse()
        home.carry(import_id)
        failed = home.told(import_id)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "server_unreachable")
        home.simulator.accept()
        assert home.tenant.client.post(f"/v1/imports/{import_id}/resume").json()["status"] == "queued"
        home.carry(import_id)
        assert home.told(import_id)["counts"]["files"]["imported"] == estate["files"]

    def test_a_revoked_key_ends_the_import_and_is_told_of_the_credential(self, home: Home) -> None:
        seeded(home)
        home.simulator.account(home.simulator.key, standing="revoked")
        done = home.bring()
        assert (done["status"], done["error"]["code"]) == ("failed", "credential_refused")
        assert home.simulator.key not in str(done)
        assert home.get(f"/v1/credentials/{home.credential_id}")["status"] == "refused"
        home.simulator.account(home.simulator.key, standing="open")

    def test_a_cancelled_import_keeps_what_it_brought_and_reads_no_more(self, home: Home) -> None:
        seeded(home)
        import_id = home.start()

        def cancel() -> None:
            if sum(call[0] == "content" for call in home.calls) == 3:
                home.before = lambda: None
                assert home.tenant.client.post(f"/v1/imports/{import_id}/cancel").json()["status"] == "cancelled"
        home.before = cancel
        home.carry(import_id)
        assert sum(call[0] == "content" for call in home.calls) == 3
        assert len(home.all("/v1/files")) == 2
        assert home.tenant.client.post(f"/v1/imports/{import_id}/cancel").status_code == 400
        home.tenant.client.post(f"/v1/imports/{import_id}/resume")
        home.carry(import_id)
        assert home.told(import_id)["status"] == "succeeded"

    def test_a_deleted_credential_is_told_in_words(self, home: Home) -> None:
        import_id = home.start()
        assert home.tenant.client.delete(f"/v1/credentials/{home.credential_id}").status_code == 200
        home.carry(import_id)
        assert home.told(import_id)["error"]["code"] == "credential_not_found"


def test_both_ends_are_events(home: Home) -> None:
    seeded(home, files=2, jobs=1)
    home.bring()
    home.simulator.account(home.simulator.key, standing="revoked")
    home.bring()
    home.simulator.account(home.simulator.key, standing="open")
    with transaction(home.tenant.scope) as session:
        told = session.connection().exec_driver_sql(
            "select type from events where type like 'import.%%' order by position").scalars().all()
    assert told == ["import.succeeded", "import.failed"]


@pytest.mark.parametrize("content", [b"step,train_loss\n1,0.5\n", b"", b"\xff\xfe"])
def test_result_files_are_read_whether_the_server_wraps_them_or_not(content: bytes) -> None:
    wrapped = base64.b64encode(content)
    assert decoded(content) == content
    if b"," in content:
        assert decoded(wrapped) == content
        assert decoded(base64.encodebytes(content)) == content




def test_old_jobs_can_be_trained_again_with_their_cost_told_before(home: Home) -> None:
    seeded(home, files=4, jobs=5, failed=0.0, cancelled=0.0)
    home.bring()
    while work_off(home.tenant):
        pass
    planned = home.tenant.client.post("/v1/fine_tuning/retrain", json={
        "model": "gpt-4.1-mini-2025-04-14", "all": True, "dry_run": True}).json()
    assert (planned["planned"], planned["cost"]["unknown"]) == (5, 0)
    assert planned["cost"]["expected"] == sum(each["cost"]["expected"] for each in planned["data"]) > 0
    assert len(home.all(JOBS)) == 5
    begun = home.tenant.client.post("/v1/fine_tuning/retrain", json={"model": "smollm2-135m-instruct", "all": True})
    assert begun.json()["created"] == 5, begun.text
    pairs = {each["successor"]["id"]: each["job"] for each in begun.json()["data"]}
    shown = {job["id"]: job for job in home.all(JOBS)}
    for new, old in pairs.items():
        assert shown[new]["training_file"] == shown[old]["training_file"]
        assert shown[new]["validation_file"] == shown[old]["validation_file"]
        assert (shown[new]["successor_of"], shown[old]["successors"]) == (old, [new])
        assert shown[new]["hyperparameters"] == shown[old]["hyperparameters"]
