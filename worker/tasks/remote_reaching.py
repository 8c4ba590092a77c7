"""Opens servers for tasks, and says what their trouble means: jobs wait until it is over, which costs no tries."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from service.credentials import operations as credentials
from service.credentials.errors import CredentialNotFound
from service.jobs.operations import remote_waiting
from service.kit.encryption import EncryptionUnavailable
from worker.app import Running, unit_of_work
from worker.providers.remote import AccessRefused, Remote, RemoteError, Unavailable
from worker.tasks.remote_opening import opened_remote

_log = logging.getLogger(__name__)
_TROUBLE_SECONDS = 20.0
_REFUSED_SECONDS = 300.0
"""A credential that is refused is seldom taken again a moment later."""
_LONGEST_SECONDS = 3600.0


class Unreachable(Exception):
    """The server cannot be asked now; `wait` is how long it is left alone, and the message is for the job's log.

    `told` is what the server itself said.
    """

    def __init__(self, message: str, wait: timedelta, *, told: str = "") -> None:
        super().__init__(message)
        self.wait, self.told = wait, told


class CutOff(Unreachable):
    """The credential is deleted: its server can never be asked again."""


@contextmanager
def reaching(running: Running, credential_id: str) -> Iterator[Remote]:
    """The server that a credential opens. Raises Unreachable for what is not the job's fault."""
    try:
        with unit_of_work(running.claim) as session:
            opened = credentials.open_credential(session, credential_id)
    except CredentialNotFound:
        raise CutOff("Its credential was deleted: without it, its server cannot be asked.",
                     _soon(_REFUSED_SECONDS)) from None
    except EncryptionUnavailable as locked:
        raise Unreachable(f"Its credential cannot be read now: {locked}", _soon(_TROUBLE_SECONDS)) from None
    try:
        with opened_remote(opened) as server:
            yield server
    except AccessRefused as refused:
        with unit_of_work(running.claim) as session:
            credentials.failing(session, credential_id, str(refused))
        raise Unreachable("Its server refuses the credential: update it, and the job goes on.",
                          _soon(_REFUSED_SECONDS), told=str(refused)) from refused
    except Unavailable as trouble:
        raise Unreachable("Its server does not take requests now; it is asked again.",
                          _soon(trouble.retry_after or _TROUBLE_SECONDS), told=str(trouble)) from trouble


def _soon(seconds: float) -> timedelta:
    """Spread, so that jobs which failed together do not return together."""
    spread = random.uniform(1.0, 1.3)  # noqa: S311 - spreads load, no secret
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_SECONDS) * spread)


def wait(running: Running, attempt_id: str, trouble: Unreachable) -> timedelta | None:
    """Tell the job's log why it waits; it waits for ever only for what may come."""
    with unit_of_work(running.claim) as session:
        if isinstance(trouble, CutOff):
            remote_waiting.record_cut_off(session, attempt_id)
            return None
        remote_waiting.record_waiting(session, attempt_id, str(trouble), told=trouble.told)
    return trouble.wait


def cancel_extra(server: Remote, remote_id: str) -> None:
    """End what nobody waits for. It is written down as to be cancelled: a sweep does what fails here."""
    try:
        server.cancel(remote_id)
    except RemoteError as trouble:
        _log.warning("job %s at its server is not cancelled yet: %s", remote_id, trouble)
