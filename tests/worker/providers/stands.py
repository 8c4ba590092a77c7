"""Where the contract of clients is tested: one stand per provider, with a server behind it and a hand on its clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.catalog.capabilities import Capabilities, of
from service.jobs.plans import RemoteOrder
from tests.remote.control import Simulator
from tests.remote.estate import lines
from tests.worker.providers.bodies import Opened
from worker.providers.opening import open_remote
from worker.providers.remote import Remote, Source, UploadProgress

ON_THE_SIMULATOR = ("openai", "azure", "compatible")
PROVIDERS = (*ON_THE_SIMULATOR, "bedrock")


@dataclass
class Lines:
    """A file of ours, in memory."""

    content: bytes
    filename: str = "train.jsonl"
    size: int = 0
    begun_at: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = len(self.content)

    def read(self, start: int = 0) -> Iterator[bytes]:
        self.begun_at.append(start)
        for at in range(start, len(self.content), 1000):
            yield self.content[at:at + 1000]


class Stand(Protocol):
    """One provider's server under test."""

    provider: str

    @property
    def can(self) -> Capabilities: ...

    def open(self, secret: str | None = None) -> Remote: ...

    def data(self) -> Lines: ...

    def order(self, training_file: str, **changes: Any) -> RemoteOrder: ...

    def move(self, job_id: str, status: str) -> None:
        """Let the server carry a job on to `running`, `succeeded`, `failed`, or the end of its being cancelled."""
        ...

    def lives(self, key: str) -> int:
        """How many jobs the server made for a key."""
        ...

    def key(self, number: int = 1) -> str:
        """The key of an attempt, in the form that this provider's clients are given."""
        ...

    def lose_the_answer(self) -> None:
        """The next creation takes effect, and its answer is lost."""
        ...

    def be_out_of_reach(self) -> None:
        """The next creation does not arrive."""
        ...


@dataclass
class SimulatorStand:
    provider: str
    simulator: Simulator

    @property
    def can(self) -> Capabilities:
        return of(self.provider)

    def open(self, secret: str | None = None) -> Remote:
        url = self.simulator.azure_url if self.provider == "azure" else self.simulator.base_url
        return open_remote(Opened(provider=self.provider, base_url=url, secret=secret or self.simulator.key))

    def data(self, examples: int = 12) -> Lines:
        return Lines(lines(examples, "contract"))

    def order(self, training_file: str, **changes: Any) -> RemoteOrder:
        given: dict[str, Any] = {
            "job_id": "ftjob-ours", "key": self.key(), "house": "org_ours", "model": "gpt-4o-mini-2024-07-18",
            "training_file": training_file, "validation_file": None, "suffix": "mine", "seed": 42,
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
            "metadata": {"team": "red"}}
        return RemoteOrder(**given | changes)

    def move(self, job_id: str, status: str) -> None:
        self.simulator.move(job_id, status)

    def key(self, number: int = 1) -> str:
        return f"key-{number}"

    def lose_the_answer(self) -> None:
        self.simulator.fault("reset_after", method="POST", path="jobs", count=1)

    def be_out_of_reach(self) -> None:
        self.simulator.refuse()

    def lives(self, key: str) -> int:
        return len(self.simulator.ledger().by().get(key, []))


def sent(remote: Remote, source: Source) -> str:
    """The server's id of a file that was uploaded."""
    *_, last = remote.upload(source, UploadProgress())
    assert last.file_id is not None
    return last.file_id
