"""Everything the simulated server knows: projects, jobs, time, how it behaves, and what was asked of it."""

import heapq
from collections import Counter, deque
from dataclasses import dataclass

from tests.remote.accounts import Account
from tests.remote.clock import Clock
from tests.remote.faults import FaultBook
from tests.remote.jobs import Job
from tests.remote.names import Names
from tests.remote.training import Pace, Training

DEFAULT_KEY = "sk-simulator-0000000000000000000000000001"
OTHER_KEY = "sk-simulator-0000000000000000000000000002"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in, for tests that ask what was said."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Behaviour:
    """Ways in which servers differ, or misbehave for longer than one answer."""

    list_lag: float = 0.0
    "Simulated seconds for which lists do not show a new job."
    bills_cancelled: bool = True
    "Whether steps of a job that was cancelled while it ran are billed, and told as its trained_tokens."
    results_base64: bool = True
    filters_metadata: bool = True
    "Some servers that speak this API overlook the filter and list everything."
    keeps_metadata: bool = True
    honours_retirement: bool = False
    "Refuse to train what is shut down on the simulated day."
    failing_share: float = 0.0
    "Of new jobs, how many fail half-way with a server_error."
    page_limit: int = 100
    upload_seconds: float = 3600.0
    "After which an upload expires."


class World:
    def __init__(self, seed: int = 0, speed: float = 1.0) -> None:
        self.clock = Clock(speed)
        self.names = Names(seed)
        self.pace = Pace()
        self.behaviour = Behaviour()
        self.faults = FaultBook(seed)
        self.training = Training(self)
        self.requests: Counter[str] = Counter()
        "By method and route."
        self.refused: Counter[str] = Counter()
        "By method, route and status."
        self.seen: deque[Seen] = deque(maxlen=20_000)
        self.accounts: list[Account] = []
        self.by_key: dict[str, Account] = {}
        self._due: list[tuple[float, int, int, Account, Job]] = []
        self._number = 0
        self.add_account(DEFAULT_KEY, slug="house")
        self.add_account(OTHER_KEY, slug="neighbour")

    def add_account(self, key: str, *, slug: str = "", same_as: str | None = None) -> Account:
        """A project with this key, or one more key for the project of another."""
        if same_as is not None:
            account = self.by_key[same_as]
            account.keys.add(key)
        else:
            account = Account({key}, self.names.organization(), slug or f"org{len(self.accounts)}",
                              self.names.project())
            self.accounts.append(account)
        self.by_key[key] = account
        return account

    def schedule(self, moment: float, account: Account, job: Job) -> None:
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, job.shape, account, job))

    def catch_up(self) -> None:
        """Move every job that is due, in the order in which they were due."""
        now = self.clock.now()
        while self._due and self._due[0][0] <= now:
            moment, _, shape, account, job = heapq.heappop(self._due)
            if job.shape == shape and job.due is not None:
                self.training.move_on(account, job, moment)

    def find_job(self, job_id: str) -> tuple[Account, Job]:
        """Vanished ones too: for the control side only. Raises KeyError."""
        for account in self.accounts:
            if job_id in account.jobs:
                return account, account.jobs[job_id]
        raise KeyError(job_id)
