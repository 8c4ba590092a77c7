"""Projects at the simulated server: each with its key, its files, uploads, jobs and models, invisible to the others."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from tests.remote import refusals
from tests.remote.files import StoredFile, Upload
from tests.remote.jobs import Job
from tests.remote.models import Tuned

Standing = Literal["open", "revoked", "forbidden", "closed", "quota"]
"""`closed`: no new jobs; `quota`: no money left."""


@dataclass
class Account:
    keys: set[str]
    organization: str
    slug: str
    "The organization's name inside those of its models."
    project: str
    standing: Standing = "open"
    requests_per_minute: int | None = None
    files: dict[str, StoredFile] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    order: list[Job] = field(default_factory=list)
    "The jobs as they were made, the newest last."
    places: dict[str, int] = field(default_factory=dict)
    "Of each job, its place in `order`."
    models: dict[str, Tuned] = field(default_factory=dict)
    deployments: dict[str, str] = field(default_factory=dict)
    "Azure's: names under which models answer."
    _recent: deque[float] = field(default_factory=deque)

    def add(self, job: Job) -> None:
        self.jobs[job.id] = job
        self.places[job.id] = len(self.order)
        self.order.append(job)

    def job(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None or job.vanished:
            raise refusals.unknown_job(job_id)
        return job

    def file(self, file_id: str) -> StoredFile:
        file = self.files.get(file_id)
        if file is None:
            raise refusals.unknown_file(file_id)
        return file

    def admit(self) -> None:
        """Refuse what the key may not do at all, and what comes too fast."""
        if self.standing == "forbidden":
            raise refusals.forbidden()
        if self.requests_per_minute is None:
            return
        now = time.monotonic()
        while self._recent and self._recent[0] < now - 60:
            self._recent.popleft()
        if len(self._recent) >= self.requests_per_minute:
            raise refusals.too_many_requests(self._recent[0] + 60 - now)
        self._recent.append(now)
