"""Asks the server of a credential whether it takes it, and which models it lists."""

import random
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from service.catalog.binding import bind_again
from service.credentials import operations as credentials
from service.credentials import queries
from service.credentials.errors import CredentialNotFound
from service.credentials.operations import OpenCredential
from service.jobs.operations.remote_hints import go_on
from service.kit.database import DISPATCH, Scope, transaction
from service.kit.encryption import EncryptionUnavailable
from service.kit.work import Claim, Work
from service.tenants import queries as tenants
from worker.app import Running, Transient, task, unit_of_work
from worker.providers.remote import AccessRefused, RemoteError, RemoteModel, Unavailable
from worker.tasks.remote_opening import opened_remote

_TRIES, _LATER = 10, timedelta(minutes=10)
"""So often it is asked soon again; from then on so long apart, until it answers or the credential is deleted."""
_REFUSED = timedelta(hours=1)
"""So long apart a server is asked that refuses: keys are granted again, and what was locked by mistake is opened."""


@task(Work.CHECK_CREDENTIAL)
def check(running: Running) -> timedelta | None:
    """One question, outside any transaction. A server that does not answer, or refuses, is asked on, though seldom.

    Once it takes a credential that was failing, or has a new secret, jobs that waited for that go on at once.
    """
    credential_id = running.claim.subject
    if _has_left(running.claim):
        return None
    try:
        with unit_of_work(running.claim) as session:
            opened = credentials.open_credential(session, credential_id)
            was_valid = queries.credential(session, credential_id).status == "valid"
    except CredentialNotFound:
        return None
    except EncryptionUnavailable as locked:
        raise Transient(str(locked)) from None
    try:
        models: Sequence[RemoteModel] = _ask(opened)
    except RemoteError as trouble:
        return _note_trouble(running.claim, opened, trouble)
    if not was_valid:  # before that is noted: whoever takes over from here does it again
        with transaction(DISPATCH) as session:
            go_on(session, credential_id)
    with unit_of_work(running.claim) as session:
        credentials.record_check(session, credential_id, status="valid", details=None, models=models)
        bind_again(session, credential_id, [model.id for model in models])
    return None


def _has_left(claim: Claim) -> bool:
    """Whether the project was archived: what it shared is checked for others from now on, and its own no more."""
    with unit_of_work(claim) as session:
        project = tenants.project(session, claim.project_id)
        organization_id, is_archived = project.organization_id, project.archived_at is not None
    if is_archived:
        with transaction(Scope.organization(organization_id)) as session:
            credentials.hand_over_check(session, claim.subject)
    return is_archived


def _ask(opened: OpenCredential) -> Sequence[RemoteModel]:
    with opened_remote(opened) as remote:
        return remote.check()


def _note_trouble(claim: Claim, opened: OpenCredential, trouble: RemoteError) -> timedelta | None:
    """When to ask again. What the server said is told, but for what it repeats of ours."""
    said = opened.redact(str(trouble))
    refused = isinstance(trouble, AccessRefused)
    with unit_of_work(claim) as session:
        credentials.record_check(session, claim.subject, status="refused" if refused else "unreachable", details=said)
    if refused:
        return _REFUSED * random.uniform(1.0, 1.3)  # noqa: S311 - spreads load, no secret
    if claim.failures < _TRIES:
        raise Transient(said, trouble.retry_after if isinstance(trouble, Unavailable) else None)
    return _LATER


@check.abandoned
def _(session: Session, claim: Claim, cause: str) -> None:
    credentials.record_check(session, claim.subject, status="unreachable", details=cause)
