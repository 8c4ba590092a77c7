"""The Celery app, and what surrounds every task: claim, heartbeat, outcome. All of Celery's integration is here.

A message carries one id and no authority. `run` claims the work item in Postgres, renews its lease from a
thread while the handler works, and records how it ended; nothing is kept in Celery's own stores. A handler is

    @task(Work.VALIDATE_FILE)
    def validate(running: Running) -> timedelta | None: ...

It returns None when the work is done, or a timedelta to be run again after that long (which costs nothing). It
raises Transient for trouble that passes: tried again with growing delays, at most MAX_FAILURES times. Any other
exception counts as such trouble too, and is logged. When the attempts are spent, its `abandoned` function fails
the subject in the transaction that gives the item up.
"""

import logging
import multiprocessing
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init, worker_ready, worker_shutting_down
from kombu.entity import Queue as BrokerQueue
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from service.kit import keyring, work
from service.kit import logging as log_lines
from service.kit.database import DISPATCH, Scope, engine, transaction
from service.kit.lifeline import watch_parent
from service.kit.work import Claim, LeaseLost, Queue, Work
from service.settings import settings

_log = logging.getLogger(__name__)
_LONGEST_CAUSE = 2000
_RESTART_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries at a database that starts anew, which takes seconds; less than a lease in all."""
HANDLER_MODULES = ("worker.tasks.counts", "worker.tasks.credentials", "worker.tasks.datasets", "worker.tasks.files",
                   "worker.tasks.idempotency", "worker.tasks.imports", "worker.tasks.jobs", "worker.tasks.machines",
                   "worker.tasks.mail", "worker.tasks.preflights", "worker.tasks.previews", "worker.tasks.remote",
                   "worker.tasks.remote_sweeping", "worker.tasks.retirement", "worker.tasks.reviews",
                   "worker.tasks.versions")
Handler = Callable[["Running"], timedelta | None]
Abandon = Callable[[Session, Claim, str], None]
_shutting_down = multiprocessing.get_context("fork").Event()
"""Set in the main process when it is told to stop, seen by the pool's children that it forked."""

app = Celery("tuneworks", broker=settings().broker_url.get_secret_value(), include=HANDLER_MODULES)
app.conf.update(
    broker_transport_options={"visibility_timeout": 3600, "socket_timeout": 5, "socket_connect_timeout": 3,
                              "socket_keepalive": True, "health_check_interval": 10, "global_keyprefix": "tw:"},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_limit=4,
    task_ignore_result=True,
    task_acks_late=False,  # on purpose: the relay sends again, so no visibility time-out can double a task
    worker_disable_prefetch=True,
    task_publish_retry=False,
    task_serializer="json",
    accept_content=["json"],
    task_queues=[BrokerQueue(queue.value) for queue in Queue],
    task_create_missing_queues=False,
    worker_max_tasks_per_child=None,
    worker_soft_shutdown_timeout=20.0,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # the lease decides, not the connection
    worker_hijack_root_logger=False,
    worker_proc_alive_timeout=60.0,
)


class Transient(Exception):
    """Trouble that passes; `retry_after` is the least wait in seconds, where somebody named one."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Running:
    """One claimed item while its handler works: what it is about, and whether it is still ours."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._marker = ""
        self._lost = threading.Event()

    def advance(self, marker: object) -> None:
        """Report progress, as anything that changes when work moves. Raises LeaseLost when the item is lost."""
        self._marker = str(marker)
        if self.lost:
            raise LeaseLost(f"{self.claim.kind} {self.claim.subject}: the heartbeat found another fence")

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    @property
    def must_stop(self) -> bool:
        """The worker is shutting down: bring long work to a point where another can go on, and return."""
        return _shutting_down.is_set()

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Renew the lease from a thread until the block ends, however it ends."""
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True, name="heartbeat")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, ended: threading.Event) -> None:
        lease, stall = timedelta(seconds=settings().lease_seconds), timedelta(seconds=settings().stall_seconds)
        while not ended.wait(settings().lease_seconds / 3):
            try:
                with transaction(DISPATCH) as session:
                    work.heartbeat(session, self.claim, progress=self._marker, lease=lease, stall=stall)
            except LeaseLost:
                self._lost.set()
                return
            except DBAPIError:
                _log.warning("heartbeat could not reach the database; trying again")


@contextmanager
def unit_of_work(claim: Claim) -> Iterator[Session]:
    """One transaction within the item's project that first makes sure the item is still ours.

    The worker's only way to write. Raises LeaseLost when another worker has taken over.
    """
    with transaction(Scope.project(claim.project_id)) as session:
        work.guard(session, claim)
        yield session


class Task:
    """A handler, how it gives up, and the Celery task that runs it."""

    def __init__(self, kind: Work, handler: Handler) -> None:
        self.kind = kind
        self.handler = handler
        self.abandon: Abandon | None = None

    def __call__(self, running: Running) -> timedelta | None:
        return self.handler(running)

    def abandoned(self, function: Abandon) -> Abandon:
        """Register what fails the subject when the attempts are spent."""
        self.abandon = function
        return function


TASKS: dict[Work, Task] = {}


def task(kind: Work) -> Callable[[Handler], Task]:
    """Register the handler of one kind of work."""
    def register(handler: Handler) -> Task:
        entry = TASKS[kind] = Task(kind, handler)
        limits = {} if kind.limit_seconds is None else {"time_limit": kind.limit_seconds}

        def run_item(item_id: str) -> None:
            run(entry, item_id)
        app.task(run_item, name=kind.value, **limits)
        return entry
    return register


def run(entry: Task, item_id: str) -> None:
    """Claim the item and carry it to an outcome; whatever happens, the row in Postgres says what is next."""
    with transaction(DISPATCH) as session:
        claim = work.claim(session, item_id, owner=f"{socket.gethostname()}:{os.getpid()}",
                           lease=timedelta(seconds=settings().lease_seconds))
    if claim is None:
        return  # done already, not due yet, or another worker has it
    token = log_lines.work_item.set(f"{claim.kind}:{claim.subject}")
    try:
        _carry_out(entry, claim)
    except LeaseLost as lost:
        _log.warning("stopped: %s", lost)
    finally:
        log_lines.work_item.reset(token)


def _carry_out(entry: Task, claim: Claim) -> None:
    if claim.spent:
        _abandon(entry, claim, "It was started too often by workers that died over it.")
        return
    running = Running(claim)
    try:
        with running.heartbeat():
            again = entry.handler(running)
    except LeaseLost:
        raise
    except Exception as trouble:  # noqa: BLE001 - whatever a handler raises, the row must learn how it ended
        if not isinstance(trouble, Transient):
            _log.exception("%s failed", claim.kind)
        _retry(entry, running.claim, trouble)
        return
    _write(claim, lambda session: work.finish(session, claim) if again is None else
           work.postpone(session, claim, again))


def _retry(entry: Task, claim: Claim, trouble: Exception) -> None:
    cause = _in_words(trouble)
    if claim.failures >= work.MAX_FAILURES:
        _abandon(entry, claim, cause)
        return
    delay = backoff(claim.failures, at_least=getattr(trouble, "retry_after", None))
    _write(claim, lambda session: work.postpone(session, claim, delay, failed=True, error=cause))


def _write(claim: Claim, outcome: Callable[[Session], None]) -> None:
    """Record an outcome, also through a restart of the database, which would count as this worker's death else."""
    for pause in _RESTART_PAUSES:
        try:
            with unit_of_work(claim) as session:
                outcome(session)
        except (OperationalError, InterfaceError):
            _log.warning("the database is away; trying again in %g s", pause)
            time.sleep(pause)
        else:
            return
    with unit_of_work(claim) as session:
        outcome(session)


def _in_words(trouble: Exception) -> str:
    """Without what Postgres refuses: an item whose cause cannot be written would be started for ever."""
    words = str(trouble)[:_LONGEST_CAUSE].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return words or type(trouble).__name__


def _abandon(entry: Task, claim: Claim, cause: str) -> None:
    _log.error("%s %s is given up: %s", claim.kind, claim.subject, cause)
    with unit_of_work(claim) as session:
        if entry.abandon is not None:
            entry.abandon(session, claim, cause)
        work.give_up(session, claim, error=cause)


def backoff(failures: int, *, at_least: float | None = None) -> timedelta:
    """1 s doubling to 5 min, ±20 % so that retries do not march in step."""
    seconds = min(300.0, 2.0 ** min(failures, 9)) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, no secret
    return timedelta(seconds=max(seconds, at_least or 0.0))


@setup_logging.connect
def _own_logging(**_: Any) -> None:
    log_lines.configure(settings().log_level)


@worker_init.connect
def _main_process(**_: Any) -> None:
    watch_parent()
    keyring.warm()


@worker_process_init.connect
def _pool_process(**_: Any) -> None:
    """A forked child must not share its parent's connections, and must not outlive its parent."""
    engine().dispose(close=False)
    engine.cache_clear()
    watch_parent()
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True, name="orphan-watch").start()


def _leave_with_parent(parent: int) -> None:
    """End at once when the pool's main process is gone: its work is taken over by lease, not continued here."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


DAILY: list[tuple[Queue, Callable[[], None]]] = []
_DAY_SECONDS = 86_400.0


def daily(queue: Queue) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register what a worker that serves `queue` does once it is ready, and every day from then on."""
    def register(duty: Callable[[], None]) -> Callable[[], None]:
        DAILY.append((queue, duty))
        return duty
    return register


@worker_ready.connect
def _begin_daily(sender: Any = None, **_: Any) -> None:
    served = set(sender.app.amqp.queues.consume_from) if sender is not None else set()
    for queue, duty in DAILY:
        if queue.value in served:
            threading.Thread(target=_every_day, args=(duty,), daemon=True, name=duty.__name__).start()


def _every_day(duty: Callable[[], None]) -> None:
    while True:
        try:
            duty()
        except Exception:  # noqa: BLE001 - logged, and no duty may end the thread
            _log.exception("%s failed; it is done again tomorrow", duty.__name__)
        time.sleep(_DAY_SECONDS)


@worker_shutting_down.connect
def _tell_tasks(**_: Any) -> None:
    _shutting_down.set()
