"""Turns at polling: which jobs are due, taken by credential for the time of a lease, given back with their next time.

    due ──claim──▶ leased (poll_lease names the turn, next_poll_at is its end) ──record──▶ waiting for next_poll_at
     ▲                 └── the poller died: the lease runs out, and the jobs are due again ──┐
     └───────────────────────────────────────────────────────────────────────────────────────┘

Any number of pollers may run. While one has a turn at a credential no other gets one, and a turn that ran out writes
nothing. All of it is done in the role of the relay, which sees ids and times and nothing secret.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from service.kit.identifiers import new_id
from worker.poller.pacing import GRID_SECONDS, phase

_MOST_JOBS = 10_000
"""Jobs of one turn; what is beyond waits for the next one."""
_EARLY_SECONDS = GRID_SECONDS
"""A turn takes along what would be due so soon: the same pages show it, and from then on it is due with the others."""


@dataclass(frozen=True, slots=True)
class Due:
    """One job of a turn. `status` is the word that was last followed; `age` is for how long that has stood."""

    id: str
    project_id: str
    job_id: str
    remote_id: str
    status: str | None
    age: float
    failures: int
    follow: bool
    "Its time to be followed has come, whatever its status is."


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to ask for the jobs of one credential until the lease runs out."""

    id: str
    credential_id: str
    provider: str
    began: float
    "When it was taken, by the database's clock, in seconds of the epoch."
    jobs: tuple[Due, ...]
    "Those that were not seen for the longest time first."

    @property
    def failures(self) -> int:
        """How often in a row all of them could not be read: what another poller learnt of this server."""
        return min(job.failures for job in self.jobs)


_BUSY = """select 1 from remote_jobs held where held.credential_id = job.credential_id
           and held.poll_lease is not null and held.next_poll_at > now()"""

_DUE = text(f"""
    select job.credential_id from remote_jobs job
    where job.next_poll_at <= now() and job.state = 'live' and job.credential_id <> all(:blocked)
      and not exists ({_BUSY})
    group by job.credential_id order by min(job.next_poll_at) limit :room
""")  # noqa: S608 - no value of anybody's in it

_LOCK = text("select pg_try_advisory_xact_lock(hashtextextended('poll:' || :credential_id, 0))")

_TAKE = text(f"""
    with due_here as materialized (
        select job.id from remote_jobs job
        where job.credential_id = :credential_id and job.state = 'live'
          and (job.next_poll_at <= now()
               or (job.next_poll_at <= now() + :early * interval '1 second' and job.poll_failures = 0))
          and not exists ({_BUSY}) and exists (
              select 1 from remote_jobs due
              where due.credential_id = :credential_id and due.state = 'live' and due.next_poll_at <= now())
        order by job.next_poll_at limit :most for update of job skip locked)
    update remote_jobs taken set poll_lease = :turn, next_poll_at = now() + :lease * interval '1 second'
    where id in (select id from due_here)
    returning taken.id, taken.project_id, taken.job_id, taken.remote_id, taken.remote_status, taken.provider,
              taken.poll_failures, taken.polled_at, coalesce(taken.next_follow_at <= now(), false) as follow,
              extract(epoch from now() - coalesce(taken.status_since, taken.sent_at, taken.created_at))::float8 as age,
              extract(epoch from now())::float8 as began
""")  # noqa: S608 - as above


def claim(session: Session, *, lease: float, room: int, blocked: Collection[str] = ()) -> list[Turn]:
    """Take turns at up to `room` credentials that have jobs due, the longest overdue first; none at `blocked` ones."""
    found = session.scalars(_DUE, {"blocked": list(blocked), "room": room}).all()
    return [turn for credential_id in found if (turn := _take(session, credential_id, lease)) is not None]


def _take(session: Session, credential_id: str, lease: float) -> Turn | None:
    """The lock keeps two pollers from taking, at one moment, different jobs of one credential."""
    if not session.scalar(_LOCK, {"credential_id": credential_id}):
        return None
    turn_id = new_id("turn_")
    rows = list(session.execute(_TAKE, {"credential_id": credential_id, "turn": turn_id, "lease": lease,
                                        "early": _EARLY_SECONDS, "most": _MOST_JOBS}))
    if not rows:
        return None
    rows.sort(key=lambda row: (row.polled_at is not None, row.polled_at))
    jobs = [Due(row.id, row.project_id, row.job_id, row.remote_id, row.remote_status, max(0.0, row.age),
                row.poll_failures, row.follow) for row in rows]
    return Turn(turn_id, credential_id, rows[0].provider, rows[0].began, tuple(jobs))


_HELD = """held as (
        select id from remote_jobs where poll_lease = :turn and next_poll_at > now() and {which}
        order by id for update)"""
"""Rows that are still ours, always locked in one order: two statements of a poller must not wait for each other."""

_RENEW = text(f"""
    with {_HELD.format(which="credential_id = :credential_id")}
    update remote_jobs set next_poll_at = now() + :lease * interval '1 second' where id in (select id from held)
""")  # noqa: S608 - no value of anybody's in it


def renew(session: Session, turn: Turn, *, lease: float) -> bool:
    """Put the end of the lease off; False when nothing of it is left."""
    done = session.execute(_RENEW, {"turn": turn.id, "lease": lease, "credential_id": turn.credential_id})
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


_RECORD = text(f"""
    with {_HELD.format(which="id = any(:ids)")}
    update remote_jobs job set poll_lease = null, polled_at = now(), poll_failures = 0,
        next_poll_at = to_timestamp(
            ceil((greatest(:began + seen.wait, extract(epoch from now())::float8 + seen.wait / 2) - :phase) / :grid)
            * :grid + :phase)
    from held join unnest(cast(:ids as text[]), cast(:waits as float8[])) as seen (id, wait) using (id)
    where job.id = held.id
""")  # noqa: S608 - as above

_PUT_OFF = text(f"""
    with {_HELD.format(which="id = any(:ids)")}
    update remote_jobs job set poll_lease = null, poll_failures = job.poll_failures + 1,
        next_poll_at = now() + unread.wait * interval '1 second'
    from held join unnest(cast(:ids as text[]), cast(:waits as float8[])) as unread (id, wait) using (id)
    where job.id = held.id
""")  # noqa: S608 - as above

_GIVE_BACK = text(f"""
    with {_HELD.format(which="id = any(:ids)")}
    update remote_jobs set poll_lease = null, next_poll_at = now() where id in (select id from held)
""")  # noqa: S608 - as above


def record(session: Session, turn: Turn, waits: Mapping[str, float]) -> None:
    """These were seen: each waits for at least so many seconds, until its credential's next slot.

    That is counted from the beginning of the turn: pages of one walk must not come due one after another, for each of
    their walks would read all pages before its own again. After a walk that took long, half of the wait is kept at
    least, so that a slow server is not asked without a pause.

    A job that a hint made due in the meantime keeps that: it is asked for once more.
    """
    _write(session, _RECORD, turn, waits, began=turn.began, grid=GRID_SECONDS, phase=phase(turn.credential_id))


def put_off(session: Session, turn: Turn, waits: Mapping[str, float]) -> None:
    """These could not be read: each is left alone for so many seconds. Their jobs' states are not touched."""
    _write(session, _PUT_OFF, turn, waits)


def _write(session: Session, statement: TextClause, turn: Turn, waits: Mapping[str, float], **more: object) -> None:
    session.execute(statement, {"turn": turn.id, "ids": list(waits), "waits": list(waits.values()), **more})


def give_back(session: Session, turn: Turn, ids: Sequence[str]) -> None:
    """These were not come to: they are due at once, for whoever is there."""
    session.execute(_GIVE_BACK, {"turn": turn.id, "ids": list(ids)})
