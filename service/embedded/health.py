"""Signs of life: how `tuneworks up` knows that a process does its work, and is not merely there."""

import http.client
import logging
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psycopg

SignOfLife = Callable[[], bool]
RELAY_APPLICATION = "tuneworks relay"
POLLER_APPLICATION = "tuneworks poller"
SENDER_APPLICATION = "tuneworks sender"
"""What relays, pollers and senders call themselves towards Postgres."""


def always() -> bool:
    """For a process whose being there is all that can be seen of it."""
    return True


def answers(host: str, port: int, path: str, *, token: str = "") -> SignOfLife:
    """It answers GET `path` with 200."""
    def sign() -> bool:
        with (suppress(OSError, http.client.HTTPException),
              closing(http.client.HTTPConnection(host, port, timeout=2)) as connection):
            connection.request("GET", path, headers={"authorization": f"Bearer {token}"} if token else {})
            return connection.getresponse().status == http.client.OK
        return False
    return sign


def logged(log: Path, words: str, *, level: str) -> SignOfLife:
    """Its log says `words`; when the log level hides such lines, its being there must do."""
    if logging.getLevelNamesMapping().get(level.upper(), logging.INFO) > logging.INFO:
        return always

    def sign() -> bool:
        with suppress(OSError):
            return words in log.read_text(errors="replace")
        return False
    return sign


def relay_listens(database_url: str) -> SignOfLife:
    """A relay is connected to the database."""
    def sign() -> bool:
        with suppress(psycopg.Error):
            return live_relays(database_url) > 0
        return False
    return sign


def poller_watches(database_url: str) -> SignOfLife:
    """A poller is connected to the database, and its loop turns."""
    def sign() -> bool:
        with suppress(psycopg.Error):
            return live_pollers(database_url) > 0
        return False
    return sign


def sender_sends(database_url: str) -> SignOfLife:
    """A sender is connected to the database, and its loop turns."""
    def sign() -> bool:
        with suppress(psycopg.Error):
            return live_senders(database_url) > 0
        return False
    return sign


def live_relays(database_url: str) -> int:
    """How many relays are connected to this database. Raises psycopg.Error when it cannot be asked."""
    return _connected(database_url, RELAY_APPLICATION)


def live_pollers(database_url: str) -> int:
    """How many pollers are connected and move. Raises psycopg.Error when it cannot be asked.

    Each asks something every few seconds; one that has been silent for a minute is frozen.
    """
    return _connected(database_url, POLLER_APPLICATION, patience=60)


def live_senders(database_url: str) -> int:
    """The same of senders."""
    return _connected(database_url, SENDER_APPLICATION, patience=60)


def _connected(database_url: str, application: str, *, patience: int | None = None) -> int:
    with psycopg.connect(database_url, connect_timeout=3) as connection:
        row = connection.execute("""
            select count(*) from pg_stat_activity where application_name = %s and datname = current_database()
            and (%s::int is null or coalesce(query_start, backend_start) > now() - %s * interval '1 second')""",
            (application, patience, patience)).fetchone()
    return int(row[0]) if row else 0


def host_answers(host: str, port: int, *, seconds: float = 2.0) -> bool:
    """Somebody accepts connections there."""
    with suppress(OSError), socket.create_connection((host, port), timeout=seconds):
        return True
    return False
