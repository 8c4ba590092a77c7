"""The seam between jobs and whoever trains them: frozen plans in, JSON handles out, no database row crosses.

    ProviderError
    ├── Rejected       the plan is wrong for this provider: fail the job with its code, message and param
    ├── Unavailable    not now: try again, after `retry_after` seconds where somebody named them
    └── HandleLost     the provider knows nothing of this run any more
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.jobs.plans import Kind, TrainingPlan

Handle = dict[str, Any]
"""What a provider needs to find a run again, as JSON; it survives restarts of everything."""


@dataclass(frozen=True, slots=True)
class Step:
    """Metrics of one step, under the names that OpenAI's metrics events use."""

    number: int
    values: Mapping[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that can be used as a model: files under `path` on this machine."""

    step: int
    path: str
    kind: Kind
    metrics: Mapping[str, Any]
    final: bool


@dataclass(frozen=True, slots=True)
class Running:
    """Still going. What happened since the handle that was polled, and the handle to poll next."""

    handle: Handle
    stage: str = ""
    total_steps: int | None = None
    seconds_left: float | None = None
    steps: tuple[Step, ...] = ()
    saved: tuple[Saved, ...] = ()
    notes: tuple[str, ...] = ()
    """Lines for the job's log."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    trained_tokens: int
    step: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The job's own fault unless `transient`: then the same plan may well succeed on another try."""

    code: str
    message: str
    param: str | None = None
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


@dataclass(frozen=True, slots=True)
class Paused:
    """It stopped where it can go on: asked to, or because its machine was wanted."""

    step: int


@dataclass(frozen=True, slots=True)
class Update:
    """One answer of `poll`: what is new, and how the run ended if it did."""

    running: Running
    ended: Succeeded | Failed | Cancelled | Paused | None = field(default=None)


class ProviderError(Exception):
    """Parent of what a provider raises."""


class Rejected(ProviderError):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


class Unavailable(ProviderError):
    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HandleLost(ProviderError):
    pass


class Provider(Protocol):
    """What every provider can do. Each call may raise a ProviderError; none is made inside a transaction."""

    def submit(self, plan: TrainingPlan) -> Handle:
        """Start the run, or go on with what an earlier start left; safe to repeat for the same plan."""
        ...

    def poll(self, handle: Handle) -> Update:
        """What is new since this handle."""
        ...

    def cancel(self, handle: Handle) -> None:
        """Ask for an end; `poll` tells how it ended, which may be a success that came first."""
        ...

    def pause(self, handle: Handle) -> None:
        """Ask for a checkpoint and an end from which `submit` goes on."""
        ...

    def release(self, handle: Handle) -> None:
        """End whatever still runs, at once, and let go of it: the caller has lost the job or is done with it."""
        ...

    def discard(self, plan: TrainingPlan) -> None:
        """The job is over: remove what was kept so that it could go on."""
        ...
