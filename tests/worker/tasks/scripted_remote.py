"""A server in this process that trains for money as a script says: it fails, forgets, freezes and lags on demand."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.credentials.operations import OpenCredential
from service.jobs.plans import RemoteOrder
from worker.providers.remote import (
    AccessRefused,
    Ambiguous,
    Gone,
    Page,
    Refused,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    RemoteState,
    Source,
    Unavailable,
    UploadProgress,
)

STATES = {"validating_files": RemoteState.WAITING, "queued": RemoteState.WAITING, "running": RemoteState.RUNNING,
          "paused": RemoteState.PAUSED, "succeeded": RemoteState.SUCCEEDED, "failed": RemoteState.FAILED,
          "cancelled": RemoteState.CANCELLED}


class Killed(BaseException):
    """The process ended here: nothing after this happens, and nobody hears of it."""


@dataclass
class Training:
    """A job at the server, with what bears on how it is told."""

    job: RemoteJob
    order: RemoteOrder
    listed: bool = True
    known: bool = True
    events: list[RemoteEvent] = field(default_factory=list)
    checkpoints: list[RemoteCheckpoint] = field(default_factory=list)
    paid: bool = False

    @property
    def is_live(self) -> bool:
        return not self.job.state.is_end


@dataclass
class ScriptedServer:
    """`script[verb]` holds what becomes of the next calls, first to last; with none left, they are answered."""

    script: dict[str, deque[str | Callable[[], None]]] = field(default_factory=lambda: defaultdict(deque))
    trainings: dict[str, Training] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lists_new_jobs: bool = True

    def fail(self, verb: str, *hows: str | Callable[[], None]) -> None:
        self.script[verb].extend(hows)

    def open(self, credential: OpenCredential) -> "ScriptedRemote":
        assert credential.secret
        return ScriptedRemote(self)

    # -- what tests look at and change -------------------------------------------------------------------
    @property
    def live(self) -> list[Training]:
        return [each for each in self.trainings.values() if each.is_live]

    @property
    def only(self) -> Training:
        [training] = self.trainings.values()
        return training

    def made_for(self, key: str) -> list[Training]:
        return [each for each in self.trainings.values() if each.order.key == key]

    def count(self, verb: str) -> int:
        return self.calls.count(verb)

    def move(self, remote_id: str, status: str, **changes: Any) -> None:
        """Carry a job to a status; one that succeeds has a model, a result and a bill."""
        training = self.trainings[remote_id]
        changes = {"status": status, "state": STATES.get(status, RemoteState.UNKNOWN)} | changes
        if status == "succeeded":
            number = remote_id.removeprefix("ftjob-remote")
            self.files[f"file-result{number}"] = b"step,train_loss\n1,0.5\n"
            changes = {"fine_tuned_model": f"ft:gpt-paid:acme::{number}", "trained_tokens": 1_000_000,
                       "result_files": (f"file-result{number}",), "finished_at": datetime.now(UTC)} | changes
            training.paid = True
        training.job = replace(training.job, **changes)

    def log(self, remote_id: str, *messages: str, **data: Any) -> None:
        events = self.trainings[remote_id].events
        for message in messages:
            events.append(RemoteEvent(f"ftevent-{remote_id}-{len(events)}", datetime.now(UTC), "info",
                                      "metrics" if data else "message", message, data))

    def show_all(self) -> None:
        """The lists have caught up."""
        for training in self.trainings.values():
            training.listed = True

    def pass_time(self, span: timedelta) -> None:
        for training in self.trainings.values():
            made = training.job.created_at
            training.job = replace(training.job, created_at=made - span if made else None)

    def make(self, order: RemoteOrder, **changes: Any) -> Training:
        remote_id = f"ftjob-remote{len(self.trainings)}"
        job = RemoteJob(remote_id, "validating_files", RemoteState.WAITING, key=order.key, house=order.house,
                        created_at=datetime.now(UTC))
        training = self.trainings[remote_id] = Training(replace(job, **changes), order, listed=self.lists_new_jobs)
        return training


class ScriptedRemote:
    """One opened connection; every call notes itself, then goes as its script says."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server

    def close(self) -> None:
        self.server.calls.append("close")

    def _fate(self, verb: str) -> str:
        """What happens before the effect; the words of what is to happen after it."""
        self.server.calls.append(verb)
        fates = self.server.script[verb]
        how = fates.popleft() if fates else ""
        if callable(how):
            how()
            return ""
        before: dict[str, BaseException] = {
            "refused": Refused("invalid_model", "The server takes no such model.", "model"),
            "bad_file": Refused("invalid_file", "No such file.", "training_file"),
            "unavailable": Unavailable("503"), "busy": Unavailable("429", retry_after=77.0),
            "denied": AccessRefused("401"), "lost_before": Ambiguous("reset"), "gone": Gone("404"),
            "killed_before": Killed()}
        if how in before:
            raise before[how]
        return how

    @staticmethod
    def _after(fate: str) -> None:
        if fate in {"lost_after", "garbage"}:
            raise Ambiguous(fate)
        if fate == "killed_after":
            raise Killed

    def _training(self, job_id: str) -> Training:
        training = self.server.trainings.get(job_id)
        if training is None or not training.known:
            raise Gone(f"no job {job_id}")
        return training

    def check(self) -> tuple[RemoteModel, ...]:
        return self.models()

    def models(self) -> tuple[RemoteModel, ...]:
        self._fate("models")
        return ()

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        fate = self._fate("upload")
        data = b"".join(source.read())
        assert len(data) == source.size
        if fate == "parts":
            yield UploadProgress("upload-1", ("part-1",))
            fate = self._fate("part")
        file_id = f"file-remote{len(self.server.files)}"
        self.server.files[file_id] = data
        self._after(fate)
        yield UploadProgress(begun.upload_id, begun.part_ids, file_id)

    def create(self, order: RemoteOrder) -> RemoteJob:
        fate = self._fate("create")
        for file_id in filter(None, (order.training_file, order.validation_file)):
            if file_id not in self.server.files:
                raise Refused("invalid_file", f"No such file: {file_id}", "training_file")
        training = self.server.make(order)
        if fate.startswith("frozen"):
            self.server.script["thawed"].popleft()()  # type: ignore[operator]
        self._after(fate)
        return training.job

    def find(self, key: str) -> tuple[RemoteJob, ...]:
        self._after(self._fate("find"))
        return tuple(each.job for each in self.server.made_for(key) if each.listed)

    def jobs(self, *, after: str | None = None, limit: int = 100) -> Page[RemoteJob]:
        self._after(self._fate("jobs"))
        listed = [each.job for each in reversed(self.server.trainings.values()) if each.listed]
        start = next((place + 1 for place, job in enumerate(listed) if job.id == after), 0)
        page = tuple(listed[start:start + 2])
        return Page(page, page[-1].id if start + 2 < len(listed) else None)

    def retrieve(self, job_id: str) -> RemoteJob:
        self._after(self._fate("retrieve"))
        return self._training(job_id).job

    def events(self, job_id: str, *, until: str | None) -> tuple[RemoteEvent, ...]:
        self._after(self._fate("events"))
        events = self._training(job_id).events
        start = next((place + 1 for place, event in enumerate(events) if event.id == until), 0)
        return tuple(events[start:])

    def checkpoints(self, job_id: str) -> tuple[RemoteCheckpoint, ...]:
        self._after(self._fate("checkpoints"))
        return tuple(self._training(job_id).checkpoints)

    def _order(self, verb: str, job_id: str, allowed: set[str], to: str) -> RemoteJob:
        fate = self._fate(verb)
        training = self._training(job_id)
        if training.job.status not in allowed:
            raise Refused("wrong_state", f"Job is {training.job.status}.", None)
        self.server.move(job_id, to)
        self._after(fate)
        return training.job

    def cancel(self, job_id: str) -> RemoteJob:
        return self._order("cancel", job_id, {"validating_files", "queued", "running", "paused", "odd"}, "cancelled")

    def pause(self, job_id: str) -> RemoteJob:
        return self._order("pause", job_id, {"running"}, "paused")

    def resume(self, job_id: str) -> RemoteJob:
        return self._order("resume", job_id, {"paused"}, "queued")

    def files(self, *, after: str | None = None, limit: int = 1000) -> Page[RemoteFile]:
        raise NotImplementedError(after, limit)

    def content(self, file_id: str) -> Iterator[bytes]:
        self._after(self._fate("content"))
        if file_id not in self.server.files:
            raise Gone(file_id)
        yield self.server.files[file_id]

    def delete_file(self, file_id: str) -> None:
        self.server.files.pop(file_id, None)
