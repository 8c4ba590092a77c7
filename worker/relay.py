"""Publishes due work as Celery messages: wakes on NOTIFY, sweeps every second, fair between projects.

Any number of relays may run. A row is stamped with its next dispatch before its message is published, so a relay
that dies in between costs one dispatch interval and nothing else; a message that Redis loses costs the same.
"""

import logging
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

import psycopg
from kombu.connection import Connection
from kombu.exceptions import ChannelError, OperationalError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.kit import logging as log_lines
from service.kit.database import DISPATCH, transaction
from service.kit.lifeline import watch_parent
from service.kit.work import CHANNEL, Queue, Work
from service.settings import settings
from worker.app import app

_log = logging.getLogger(__name__)
APPLICATION_NAME = "tuneworks relay"
"""By which `tuneworks doctor` finds live relays in pg_stat_activity."""
_SWEEP_SECONDS = 1.0
_BATCH = 200
_BACKLOG = {Queue.TRAINING: 4}
_BACKLOG_OTHERWISE = 64
_PATIENCE_SECONDS = 2.0

_DUE = text("""
    with busy as (
        select queue, project_id, count(*) as items from work_items
        where (state = 'running' and lease_until >= now())
           or (state = 'pending' and dispatches > 0 and next_dispatch > now())
        group by queue, project_id
    ), due as (
        select id, queue, project_id,
               row_number() over (partition by queue, project_id order by kind <> :urgent, run_at, position) as turn
        from work_items
        where next_dispatch <= now() and queue = any(:queues)
          and ((state = 'pending' and run_at <= now()) or (state = 'running' and lease_until < now()))
    )
    select due.id from due left join busy using (queue, project_id)
    where due.turn + coalesce(busy.items, 0) <= case due.queue when 'training' then :training else :others end
    order by due.turn, due.id limit :batch
""")
"""Round-robin: everybody's first due item, then everybody's second, up to each project's cap.

A look for training that nobody waits for comes before all else of a project: every minute of it may cost money.
"""

_STAMP = text("""
    update work_items set dispatches = dispatches + 1,
        next_dispatch = now() + least(60, :seconds * power(2, least(dispatches, 6))) * interval '1 second'
    where id in (select id from work_items where id = any(:ids) and next_dispatch <= now() for update skip locked)
    returning id, kind, queue
""")


def take_due(session: Session, queues: Iterable[Queue]) -> list[tuple[str, str, str]]:
    """Stamp the items whose turn it is; returns (id, kind, queue) of each, in their turns."""
    ids = session.scalars(_DUE, {
        "queues": [queue.value for queue in queues], "training": settings().training_per_project,
        "others": settings().running_per_project, "urgent": Work.SWEEP_CREDENTIAL.value, "batch": _BATCH}).all()
    if not ids:
        return []
    rows = session.execute(_STAMP, {"ids": list(ids), "seconds": settings().dispatch_seconds})
    stamped = {row.id: (row.id, row.kind, row.queue) for row in rows}
    return [stamped[item_id] for item_id in ids if item_id in stamped]


def open_queues(connection: Connection) -> list[Queue]:
    """The queues with room: a message that waits in the broker is not worth repeating without end."""
    return [queue for queue in Queue if _backlog(connection, queue) < _BACKLOG.get(queue, _BACKLOG_OTHERWISE)]


def _backlog(connection: Connection, queue: Queue) -> int:
    try:
        count: int = connection.default_channel.queue_declare(queue.value, passive=True).message_count
    except ChannelError:  # nobody has used the queue since the broker was emptied
        return 0
    return count


def publish_due(connection: Connection) -> int:
    """Publish what is due now; returns how many messages that were."""
    queues = open_queues(connection)
    with transaction(DISPATCH) as session:
        items = take_due(session, queues)
    for item_id, kind, queue in items:
        app.send_task(kind, args=[item_id], queue=queue, connection=connection, ignore_result=True, retry=False)
    return len(items)


class Relay:
    """The loop of one relay process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def stop(self, *_: int | FrameType | None) -> None:
        self._stopping.set()

    def run(self) -> None:
        """Until told to stop; trouble with the broker or the database is waited out."""
        while not self._stopping.is_set():
            try:
                self._listen_and_publish()
            except (DBAPIError, psycopg.Error) as trouble:
                _log.warning("database unavailable: %s", trouble)
            except (OperationalError, ConnectionError, OSError) as trouble:
                _log.warning("broker unavailable: %s", trouble)
            self._stopping.wait(_PATIENCE_SECONDS)

    def _listen_and_publish(self) -> None:
        url = settings().database_url.get_secret_value()
        with (psycopg.connect(url, autocommit=True, application_name=APPLICATION_NAME, connect_timeout=5) as listener,
              app.connection_for_write() as connection):
            listener.execute(f"listen {CHANNEL}")
            _log.info("relay is listening")
            while not self._stopping.is_set():
                while publish_due(connection) == _BATCH:
                    pass
                self._wait(listener)

    def _wait(self, listener: psycopg.Connection[Any]) -> None:
        """Until the next notification, a sweep interval at most; what came meanwhile is one wake-up."""
        for _ in listener.notifies(timeout=_SWEEP_SECONDS, stop_after=1):
            pass


def main() -> None:
    """Run a relay until SIGTERM or SIGINT."""
    log_lines.configure(settings().log_level)
    watch_parent()
    relay = Relay()
    signal.signal(signal.SIGTERM, relay.stop)
    signal.signal(signal.SIGINT, relay.stop)
    relay.run()


if __name__ == "__main__":
    main()
