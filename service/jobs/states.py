"""The states of a job and the moves between them, in OpenAI's words.

    validating_files ──▶ queued ──▶ running ──▶ succeeded
           │  │            │ │ ▲      │ │ │
           │  │            │ │ │      │ │ └───▶ failed          from any state that is not an end
           │  │            │ │ └resume┐ └─────▶ cancelled       from any state that is not an end
           │  │            │ └─pause─▶ paused ◀─pause─ (running)   a server may let it run again by itself
           └──┴────────────┴─────────▶ failed, cancelled
"""

from enum import StrEnum


class JobStatus(StrEnum):
    VALIDATING_FILES = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return not TRANSITIONS[self]

    def may_become(self, to: "JobStatus") -> bool:
        return to in TRANSITIONS[self]


_ENDS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.VALIDATING_FILES: _ENDS | {JobStatus.QUEUED},
    JobStatus.QUEUED: _ENDS | {JobStatus.RUNNING, JobStatus.PAUSED},
    JobStatus.RUNNING: _ENDS | {JobStatus.SUCCEEDED, JobStatus.PAUSED},
    JobStatus.PAUSED: _ENDS | {JobStatus.QUEUED, JobStatus.RUNNING},
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}
