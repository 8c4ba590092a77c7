"""A server that answers an import with nonsense brings down nothing: what cannot be used is listed, the rest comes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from service.imports.operations import stepping
from service.kit.database import transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.worker.tasks.homecoming import Home, found_home
from worker.app import Running
from worker.providers.remote import (
    Page,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    RemoteState,
)
from worker.tasks import remote_opening

JOBS = "/v1/fine_tuning/jobs"
THEN = datetime(2025, 3, 1, tzinfo=UTC)
FAR = datetime(9999, 12, 31, tzinfo=UTC)


def a_file(remote_id: str = "file-1", *, size: int = 3, name: str = "a.jsonl", purpose: str = "fine-tune",
           at: datetime = THEN) -> RemoteFile:
    return RemoteFile(id=remote_id, filename=name, bytes=size, purpose=purpose, created_at=at)


def a_job(remote_id: str = "ftjob-1", *, state: RemoteState = RemoteState.SUCCEEDED, **body: Any) -> RemoteJob:
    return RemoteJob(id=remote_id, status=str(state), state=state, created_at=THEN, fine_tuned_model=body.pop(
        "fine_tuned_model", None), finished_at=THEN, body={"id": remote_id, "training_file": "file-1", **body})


@dataclass
class Odd:
    """A server in this process that says whatever it is told to say."""

    listed: list[Page[RemoteFile]] = field(default_factory=lambda: [Page((a_file(),), None)])
    told: list[RemoteJob] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=lambda: [b"{}\n"])
    lines: list[RemoteEvent] = field(default_factory=list)
    points: list[RemoteCheckpoint] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def files(self, *, after: str | None, limit: int) -> Page[RemoteFile]:
        return self.listed.pop(0) if len(self.listed) > 1 else self.listed[0]

    def jobs(self, *, after: str | None, limit: int) -> Page[RemoteJob]:
        return Page(tuple(self.told), None)

    def models(self) -> tuple[RemoteModel, ...]:
        return tuple(RemoteModel(id=name, created_at=None, owned_by="somebody") for name in self.names)

    def content(self, file_id: str) -> Iterator[bytes]:
        self.asked.append(file_id)
        yield from self.chunks

    def events(self, job_id: str, *, until: str | None) -> tuple[RemoteEvent, ...]:
        self.asked.append(job_id)
        return tuple(self.lines)

    def checkpoints(self, job_id: str) -> tuple[RemoteCheckpoint, ...]:
        return tuple(self.points)

    def close(self) -> None: ...


@pytest.fixture
def odd() -> Odd:
    return Odd()


@pytest.fixture
def home(tenant: Tenant, simulator: Simulator, odd: Odd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
        patch.setenv("TUNEWORKS_IMPORT_REQUESTS_PER_SECOND", "100000")
        settings.cache_clear()
        patch.setattr(remote_opening, "open_remote", lambda _: odd)
        yield found_home(tenant, simulator)
    settings.cache_clear()


def codes(home: Home, done: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["kind"], each["code"]) for each in home.problems(done["id"])]


@pytest.mark.parametrize("bad", ["../../organization/projects", "file-1/content", "file-\x00", "f" * 10_000, "", "a b",
                                 "?after=x", "\ud800"])
def test_ids_that_could_not_stand_in_a_path_are_never_asked_for(home: Home, odd: Odd, bad: str) -> None:
    odd.listed = [Page((a_file(), a_file(bad)), None)]
    odd.told = [a_job(), a_job(bad), a_job("ftjob-2", training_file=bad, validation_file=bad, result_files=[bad, 7])]
    done = home.bring()
    assert done["status"] == "succeeded"
    assert bad not in odd.asked
    assert codes(home, done) == [("file", "unusable_id"), ("job", "unusable_id")]
    assert len(home.all(JOBS)) == 2


@pytest.mark.parametrize(("chunks", "size"), [
    ([b"{}\n", b"more"], 3), ([b"x" * 100], 3), ([b"{"], 3), ([], 3), ([b"{}\n"], 2**52)])
def test_files_of_another_size_than_they_said_are_not_kept(home: Home, odd: Odd, chunks: list[bytes],
                                                           size: int) -> None:
    odd.listed, odd.chunks = [Page((a_file(size=size),), None)], chunks
    done = home.bring()
    assert codes(home, done) == [("file", "other_size")]
    assert home.all("/v1/files") == []


@pytest.mark.parametrize("name", ["n" * 10_000, "nul\x00.jsonl", "\ud800", "", "../../etc/passwd", "a\r\nb: c"])
def test_names_of_every_sort_are_kept_as_far_as_they_can_be(home: Home, odd: Odd, name: str) -> None:
    odd.listed = [Page((a_file(name=name, purpose=name, at=FAR),), None)]
    assert home.bring()["status"] == "succeeded"
    [file] = home.all("/v1/files")
    assert 0 < len(file["filename"]) <= 255
    assert home.tenant.client.get("/v1/files/file-1/content").content == b"{}\n"


def test_lists_without_end_are_left(home: Home, odd: Odd) -> None:
    odd.listed = [Page((a_file(),), "file-1"), Page((a_file(),), "file-1"), Page((a_file(),), "file-1")]
    done = home.bring()
    assert codes(home, done) == [("file", "list_repeats")]
    assert done["counts"]["files"]["imported"] == 1


@pytest.mark.parametrize("body", [
    {"model": 7, "method": "supervised", "seed": -1, "metadata": ["a"], "user_provided_suffix": {}, "result_files": 3},
    {"model": "m" * 5000, "method": {"type": "alchemy", "alchemy": {}}, "seed": 2**70, "metadata": {"a": 1, "b": "c"}},
    {"method": {"type": "dpo", "dpo": None}, "seed": True, "organization_id": 9, "hyperparameters": "auto"},
    {"method": {"type": "supervised", "supervised": {"hyperparameters": [1]}}, "training_file": 5, "error": "odd"},
    {"metadata": {f"key-{number}": "v" * 5000 for number in range(99)}, "validation_file": "\x00", "model": "\x00"},
])
def test_jobs_of_every_shape_are_shown(home: Home, odd: Odd, body: dict[str, Any]) -> None:
    odd.told = [a_job(**body)]
    done = home.bring()
    assert done["counts"]["jobs"]["imported"] == 1
    job = home.get(f"{JOBS}/ftjob-1")
    assert job["method"]["type"] in {"supervised", "dpo"}
    assert home.get(JOBS)["data"] == [job]
    answer = home.tenant.client.post(f"{JOBS}/ftjob-1/retrain", json={"model": "smollm2-135m-instruct",
                                                                      "dry_run": True})
    assert answer.status_code in {200, 400}


def test_events_and_checkpoints_of_every_shape_are_kept(home: Home, odd: Odd) -> None:
    def line(remote_id: str, message: str, **data: Any) -> RemoteEvent:
        return RemoteEvent(id=remote_id, created_at=FAR, level="info", type="metrics", message=message, data=data)
    odd.told = [a_job(fine_tuned_model="ft:odd")]
    odd.lines = [line("ftevent-1", "a\x00b", step=True, train_loss=float("nan")), line("ftevent-1", "doubled"),
                 line("x" * 5000, "m" * 9000, step=2**80), line("ftevent-3", "deep", nested={"a": [{"b": "\ud800"}]})]
    lost = {"loss": float("inf")}
    odd.points = [RemoteCheckpoint(id="ftckpt_1", created_at=FAR, step=step, model=model, metrics=lost)
                  for step, model in ((1, "ft:odd:1"), (1, "ft:odd:2"), (2**40, "ft:big"), (3, "ft:odd"))]
    done = home.bring()
    assert done["counts"]["jobs"]["imported"] == 1, home.problems(done["id"])
    assert len(home.all(f"{JOBS}/ftjob-1/events")) == 3
    assert [each["step_number"] for each in home.all(f"{JOBS}/ftjob-1/checkpoints")] == [3, 1]


def test_ids_that_mean_something_here_already_stay_what_they_are(home: Home, odd: Odd) -> None:
    mine = home.tenant.client.post("/v1/files", data={"purpose": "fine-tune"},
                                   files={"file": ("mine.jsonl", b'{"messages": []}\n')}).json()["id"]
    odd.listed = [Page((a_file(mine),), None)]
    odd.names = ["smollm2-135m-instruct", "ft:taken:\x00", "ft:" + "x" * 5000, "ft:fine"]
    done = home.bring()
    assert done["counts"]["files"]["present"] == 1
    assert home.get(f"/v1/files/{mine}")["filename"] == "mine.jsonl"
    assert done["counts"]["models"]["imported"] == 1


def test_doubled_jobs_and_files_come_once(home: Home, odd: Odd) -> None:
    odd.listed = [Page((a_file(), a_file(), a_file("file-2")), None)]
    odd.told = [a_job(), a_job()]
    done = home.bring()
    assert (done["counts"]["files"]["imported"], done["counts"]["jobs"]["imported"]) == (2, 1)
    with transaction(home.tenant.scope) as session:
        assert session.connection().exec_driver_sql("select count(*) from jobs").scalar_one() == 1


def test_lists_longer_than_a_statement_takes_parameters_are_taken_whole(home: Home, odd: Odd) -> None:
    odd.listed = [Page(tuple(a_file(f"file-{number}") for number in range(9_000)), None)]
    odd.names = [f"ft:{number}" for number in range(9_000)]
    counts = home.bring(dry_run=True)["counts"]
    assert (counts["files"]["found"], counts["models"]["found"]) == (9_000, 9_000)


def test_models_are_kept_a_part_at_a_time_so_that_the_lease_is_renewed(home: Home, odd: Odd,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "MODELS_AT_ONCE", 10)
    odd.names = [f"ft:gpt-4o-mini:acme::{number}" for number in range(25)]
    import_id = home.start()
    kept: list[int] = []

    def advance(self: Running, marker: object) -> None:
        with transaction(home.tenant.scope) as session:
            kept.append(session.connection().exec_driver_sql("select count(*) from tuned_models").scalar_one())
    monkeypatch.setattr(Running, "advance", advance)
    home.step(import_id)
    assert [number for number in kept if number] == [10, 20]
    counts = home.told(import_id)["counts"]["models"]
    assert (counts["found"], counts["imported"]) == (25, 25)
