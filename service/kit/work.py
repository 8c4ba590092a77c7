"""Durable work: rows written with the state that asks for them; a message is only a wake-up call.

    enqueue ──▶ pending ──claim──▶ running ──finish──▶ (row deleted)
                   ▲                  │ │
                   ├──postpone/retry──┘ └──give_up──▶ failed      attempts spent, or told to
                   └── lease expired: the next claim takes it over and counts a crash

The relay (worker/relay.py) publishes due rows, any number of times. A task claims its row first: `fence` rises
with each claim, and every later write of that task happens behind `guard`, which locks the row and checks the
fence. Whoever was declared dead and comes back finds another fence there and writes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, bindparam, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit.database import Base, Positioned, Tenanted
from service.kit.identifiers import new_id

CHANNEL = "tuneworks_work"
"""The NOTIFY channel that wakes the relay when a transaction with new work commits."""
MAX_CRASHES = 5
MAX_FAILURES = 20


class Queue(StrEnum):
    """Celery queues, by what a worker that serves them needs."""

    DATASETS = "datasets"
    IO = "io"
    TRAINING = "training"


class Work(StrEnum):
    """Every kind of work: the whole contract between the API and the workers. The subject is an id."""

    VALIDATE_FILE = "datasets.validate"
    ANALYSE_SEGMENT = "datasets.analyse_segment"
    COUNT_TOKENS = "datasets.count_tokens"
    BUILD_VERSION = "datasets.build_version"
    MAKE_PREVIEW = "datasets.make_preview"
    PREPARE_REVIEW = "datasets.prepare_review"
    ERASE_OBJECT = "files.erase"
    EXPIRE_UPLOAD = "files.expire_upload"
    PREFLIGHT = "jobs.preflight"
    PREPARE_JOB = "jobs.prepare"
    TRAIN_JOB = "jobs.train"
    SUBMIT_JOB = "jobs.submit"
    FOLLOW_JOB = "jobs.follow"
    CHECK_CREDENTIAL = "credentials.check"
    SWEEP_CREDENTIAL = "credentials.sweep"
    IMPORT_ESTATE = "imports.run"
    ANNOUNCE_RETIREMENT = "catalog.announce_retirement"
    FORGET_KEY = "idempotency.forget"
    GATHER_MAIL = "mail.gather"
    SEND_MAIL = "mail.send"

    @property
    def queue(self) -> Queue:
        return _QUEUES[self]

    @property
    def limit_seconds(self) -> float | None:
        """After so long the process that does it is killed, whatever it says; None where only its lease bounds it."""
        return None if self is Work.TRAIN_JOB else _LONG_SECONDS if self in _LONG else _SHORT_SECONDS


_QUEUES = {
    Work.VALIDATE_FILE: Queue.DATASETS,
    Work.ANALYSE_SEGMENT: Queue.DATASETS,
    Work.COUNT_TOKENS: Queue.DATASETS,
    Work.BUILD_VERSION: Queue.DATASETS,
    Work.MAKE_PREVIEW: Queue.DATASETS,
    Work.PREPARE_REVIEW: Queue.DATASETS,
    Work.ERASE_OBJECT: Queue.IO,
    Work.EXPIRE_UPLOAD: Queue.IO,
    Work.PREFLIGHT: Queue.IO,
    Work.PREPARE_JOB: Queue.IO,
    Work.TRAIN_JOB: Queue.TRAINING,
    Work.SUBMIT_JOB: Queue.IO,
    Work.FOLLOW_JOB: Queue.IO,
    Work.CHECK_CREDENTIAL: Queue.IO,
    Work.SWEEP_CREDENTIAL: Queue.IO,
    Work.IMPORT_ESTATE: Queue.IO,
    Work.ANNOUNCE_RETIREMENT: Queue.IO,
    Work.FORGET_KEY: Queue.IO,
    Work.GATHER_MAIL: Queue.IO,
    Work.SEND_MAIL: Queue.IO,
}


_LONG = frozenset({Work.VALIDATE_FILE, Work.ANALYSE_SEGMENT, Work.COUNT_TOKENS, Work.BUILD_VERSION, Work.SUBMIT_JOB,
                   Work.IMPORT_ESTATE})
"""Work that grows with a file and tells how far it is: what bounds it is that it moves (see `heartbeat`)."""
_LONG_SECONDS = 12 * 3600.0
_SHORT_SECONDS = 600.0


class WorkItem(Tenanted, Positioned, Base):
    __tablename__ = "work_items"
    __table_args__ = (
        UniqueConstraint("project_id", "kind", "subject", name="uq_work_items_subject"),
        CheckConstraint("state in ('pending', 'running', 'failed')", name="state"),
        Index("ix_work_items_due", "next_dispatch", postgresql_where=text("state <> 'failed'")),
    )

    kind: Mapped[str]
    queue: Mapped[str]
    subject: Mapped[str]
    "Id of the row this is about; one item per kind and subject."
    state: Mapped[str] = mapped_column(server_default="pending")
    again: Mapped[bool] = mapped_column(server_default=text("false"))
    "Asked for again while it was running: goes back to pending when it ends."
    run_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    next_dispatch: Mapped[datetime] = mapped_column(server_default=text("now()"))
    dispatches: Mapped[int] = mapped_column(server_default=text("0"))
    fence: Mapped[int] = mapped_column(server_default=text("0"))
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    progress: Mapped[str | None]
    "What the last heartbeat reported; a lease renewed without change of this runs out as well."
    progress_at: Mapped[datetime | None]
    crashes: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(Text)


class LeaseLost(Exception):
    """Another worker holds the item now, or nobody does: stop, and undo what can be undone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one item until the lease runs out."""

    item_id: str
    project_id: str
    kind: Work
    subject: str
    fence: int
    crashes: int
    failures: int

    @property
    def spent(self) -> bool:
        """Too many workers died over it, or too many tries failed: fail the subject instead of trying again."""
        return self.crashes > MAX_CRASHES or self.failures > MAX_FAILURES


_ENQUEUE = text("""
    insert into work_items as item (id, project_id, kind, queue, subject, run_at, next_dispatch)
    select wanted.id, :project_id, :kind, :queue, wanted.subject, coalesce(:run_at, now()), coalesce(:run_at, now())
    from unnest(cast(:ids as text[]), cast(:subjects as text[])) as wanted (id, subject)
    order by wanted.subject
    on conflict (project_id, kind, subject) do update set
        again = item.again or item.state = 'running',
        run_at = case item.state when 'pending' then least(item.run_at, excluded.run_at) else excluded.run_at end,
        next_dispatch = case item.state when 'running' then item.next_dispatch
                                        else least(item.next_dispatch, excluded.next_dispatch) end,
        dispatches = 0,
        crashes = case item.state when 'failed' then 0 else item.crashes end,
        failures = case item.state when 'failed' then 0 else item.failures end,
        state = case item.state when 'failed' then 'pending' else item.state end
""").bindparams(bindparam("run_at", type_=WorkItem.run_at.type))


def enqueue(session: Session, kind: Work, subject: str, *, project_id: str,
            run_at: datetime | None = None) -> None:
    """Ask for work in the transaction that makes it necessary; asking twice is asking once.

    An item that is running when it is asked for again runs once more after it ends.
    """
    enqueue_all(session, kind, [subject], project_id=project_id, run_at=run_at)


def enqueue_all(session: Session, kind: Work, subjects: Collection[str], *, project_id: str,
                run_at: datetime | None = None) -> None:
    """The same for many subjects, in one statement that locks them in one order whoever asks."""
    ordered = sorted(set(subjects))
    if not ordered:
        return
    session.execute(_ENQUEUE, {"ids": [new_id("work_") for _ in ordered], "project_id": project_id,
                               "kind": kind.value, "queue": kind.queue.value, "subjects": ordered, "run_at": run_at})
    session.execute(text("select pg_notify(:channel, :queue)"), {"channel": CHANNEL, "queue": kind.queue.value})


_HASTEN = text("""
    update work_items set run_at = now(), next_dispatch = now(), dispatches = 0 where id in (
        select id from work_items where kind = any(:kinds) and subject = any(:subjects) and state = 'pending'
                                    and run_at > now() for update skip locked)
""")


def hasten(session: Session, kinds: Collection[Work], subjects: Collection[str]) -> None:
    """What waits for its time need not wait any more; what runs, or is being taken, is left alone."""
    session.execute(_HASTEN, {"kinds": [kind.value for kind in kinds], "subjects": list(subjects)})
    for queue in {kind.queue.value for kind in kinds}:
        session.execute(text("select pg_notify(:channel, :queue)"), {"channel": CHANNEL, "queue": queue})


_CLAIM = text("""
    update work_items set
        state = 'running', fence = fence + 1, crashes = crashes + (state = 'running')::int,
        lease_owner = :owner, lease_until = now() + :lease, progress = null, progress_at = now()
    where id = :id and ((state = 'pending' and run_at <= now()) or (state = 'running' and lease_until < now()))
    returning id, project_id, kind, subject, fence, crashes, failures
""")


def claim(session: Session, item_id: str, *, owner: str, lease: timedelta) -> Claim | None:
    """Take the item if it is due or its worker is gone; None when there is nothing to take."""
    row = session.execute(_CLAIM, {"id": item_id, "owner": owner, "lease": lease}).one_or_none()
    if row is None:
        return None
    return Claim(row.id, row.project_id, Work(row.kind), row.subject, row.fence, row.crashes, row.failures)


_GUARD = text("select 1 from work_items where id = :id and fence = :fence and state = 'running' for update")


def guard(session: Session, mine: Claim) -> None:
    """Hold the item for the rest of this transaction. Raises LeaseLost when it is another's now."""
    if session.execute(_GUARD, {"id": mine.item_id, "fence": mine.fence}).one_or_none() is None:
        raise LeaseLost(f"{mine.kind} {mine.subject}: fence {mine.fence} was passed")


_HEARTBEAT = text("""
    update work_items set
        lease_until = now() + :lease, progress = :progress,
        progress_at = case when progress is distinct from :progress then now() else progress_at end
    where id = :id and fence = :fence and state = 'running'
      and (progress is distinct from :progress or progress_at > now() - :stall)
    returning id
""")


def heartbeat(session: Session, mine: Claim, *, progress: str, lease: timedelta, stall: timedelta) -> None:
    """Renew the lease. Raises LeaseLost when it is gone, or when `progress` has not changed for `stall`."""
    row = session.execute(_HEARTBEAT, {"id": mine.item_id, "fence": mine.fence, "progress": progress,
                                       "lease": lease, "stall": stall}).one_or_none()
    if row is None:
        raise LeaseLost(f"{mine.kind} {mine.subject}: the lease is gone or nothing has moved for {stall}")


_CALL_NEXT = text("""
    select pg_notify(:channel, :queue) where exists (
        select 1 from work_items where project_id = :project_id and queue = :queue
                                   and state = 'pending' and next_dispatch <= now())
""")
"""A project at its cap waits for room, not for the relay's next sweep."""


def finish(session: Session, mine: Claim) -> None:
    """The work is done: the row goes, or starts over if it was asked for again meanwhile."""
    guard(session, mine)
    mine_only = {"id": mine.item_id}
    session.execute(text("delete from work_items where id = :id and not again"), mine_only)
    session.execute(text("""
        update work_items set state = 'pending', again = false, lease_until = null, next_dispatch = run_at,
            dispatches = 0, crashes = 0, failures = 0 where id = :id"""), mine_only)
    session.execute(_CALL_NEXT, {"channel": CHANNEL, "queue": mine.kind.queue.value, "project_id": mine.project_id})


_POSTPONE = text("""
    update work_items set state = 'pending', lease_until = null, again = false, dispatches = 0,
        run_at = case when again then run_at else now() + :delay end,
        next_dispatch = case when again then run_at else now() + :delay end,
        failures = failures + :failed, last_error = coalesce(:error, last_error)
    where id = :id
""").bindparams(bindparam("error", type_=Text()))


def postpone(session: Session, mine: Claim, delay: timedelta, *, failed: bool = False,
             error: str | None = None) -> None:
    """Run again after `delay`. `failed` counts against the cap on failures; a plain wait costs nothing."""
    guard(session, mine)
    session.execute(_POSTPONE, {"id": mine.item_id, "delay": delay, "failed": int(failed), "error": error})


def note_headway(session: Session, mine: Claim) -> Claim:
    """What was done now is kept and never done again, so earlier deaths and failures say nothing of the rest.

    Long work on machines that come and go may outlive any number of workers, as long as it gets on between them.
    Returns the claim as it is from then on.
    """
    session.execute(text("update work_items set crashes = 0, failures = 0 where id = :id and fence = :fence"),
                    {"id": mine.item_id, "fence": mine.fence})
    return replace(mine, crashes=0, failures=0)


def give_up(session: Session, mine: Claim, *, error: str) -> None:
    """Stop trying. The row stays as `failed` for whoever asks why; its subject is failed by the caller."""
    guard(session, mine)
    session.execute(text("update work_items set state = 'failed', lease_until = null, last_error = :error"
                         " where id = :id"), {"id": mine.item_id, "error": error})
