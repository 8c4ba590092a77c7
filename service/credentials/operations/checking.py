"""Whether a credential opens its server's door: asked for when it is stored, noted whenever somebody finds out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.credentials import queries
from service.credentials.errors import CredentialNotFound
from service.credentials.tables import Credential
from service.events import operations as events
from service.events.types import EventType
from service.kit.database import Scope, database_now
from service.kit.work import Work, enqueue

UNCHECKED, VALID, REFUSED, UNREACHABLE = "unchecked", "valid", "refused", "unreachable"
_FAILING = frozenset({REFUSED, UNREACHABLE})
_MOST_MODELS = 1000
_SOON = timedelta(minutes=5)
_LONGEST_NAME, _LONGEST_DETAILS = 256, 500


class Listed(Protocol):
    """A model as a server lists it."""

    @property
    def id(self) -> str: ...

    @property
    def owned_by(self) -> str: ...

    @property
    def shutdown_date(self) -> str | None: ...


def ask_for_check(session: Session, credential: Credential, *, seldom: bool = False) -> None:
    """Have a worker ask its server. What the organization shares is checked as work of its oldest project.

    `seldom`: some minutes after its last check at the earliest. For whoever sees at every look that its server answers:
    it may do so for jobs, and refuse to list models for good.
    """
    project_id = credential.project_id or _current_project(session) or queries.oldest_project(session)
    if project_id is None:
        return  # no project can use it yet; whoever does first finds out
    is_outside = not _current_project(session)
    if is_outside:
        _stand_in(session, project_id)
    not_before = credential.checked_at + _SOON if seldom and credential.checked_at else None
    enqueue(session, Work.CHECK_CREDENTIAL, credential.id, project_id=project_id, run_at=not_before)
    if is_outside:
        _stand_in(session, "")


def hand_over_check(session: Session, credential_id: str) -> None:
    """What the whole organization shares is checked as work of another project; the others' checks end.

    For a check whose project was archived, in a transaction of the organization.
    """
    try:
        shared = queries.shared_credential(session, credential_id)
    except CredentialNotFound:
        return
    ask_for_check(session, shared)


def record_check(session: Session, credential_id: str, *, status: str, details: str | None,
                 models: Sequence[Listed] | None = None) -> None:
    """Note how its server answered: 'valid', 'refused' or 'unreachable', and what it lists, if that was asked.

    Says CREDENTIAL_FAILING or CREDENTIAL_RECOVERED once, when that changed. A deleted credential is left alone.
    """
    try:
        row = queries.credential(session, credential_id, lock=True)
    except CredentialNotFound:
        return
    was_failing = _was_failing(session, row)
    row.status, row.checked_at = status, database_now(session)
    row.status_details = _plain(details, _LONGEST_DETAILS) if details else None
    if models is not None:
        row.models = [_shown(each) for each in models[:_MOST_MODELS]]
    if was_failing is not (status in _FAILING):
        _tell(session, row)
    session.flush()


def failing(session: Session, credential_id: str, details: str) -> None:
    """Its server refused it (401, 403) while something else was asked. If that is news, it is checked again soon."""
    project_id = _current_project(session)
    if project_id and queries.works(session, credential_id):  # the item before the credential, as its worker does
        enqueue(session, Work.CHECK_CREDENTIAL, credential_id, project_id=project_id,
                run_at=database_now(session) + _SOON)
    record_check(session, credential_id, status=REFUSED, details=details)


def _tell(session: Session, row: Credential) -> None:
    """An event in the credential's project; of what is shared, in the one whose work found out."""
    project_id = row.project_id or _current_project(session)
    if not project_id:
        return
    type_ = EventType.CREDENTIAL_FAILING if row.status in _FAILING else EventType.CREDENTIAL_RECOVERED
    events.append(session, type_, row.id, project_id=project_id,
                  data={"name": row.name, "provider": row.provider, "status": row.status,
                        "details": row.status_details})


def _was_failing(session: Session, row: Credential) -> bool:
    """A new secret is unchecked, and what was told last of the former one holds until that is."""
    project_id = row.project_id or _current_project(session)
    if row.status != UNCHECKED or not project_id:
        return row.status in _FAILING
    told = (EventType.CREDENTIAL_FAILING, EventType.CREDENTIAL_RECOVERED)
    return events.latest(session, row.id, told, project_id=project_id) == EventType.CREDENTIAL_FAILING


def _current_project(session: Session) -> str:
    scope: Scope = session.info["scope"]
    return scope.project_id


def _stand_in(session: Session, project_id: str) -> None:
    """An administrator's transaction within a project of the organization, for as long as one statement takes."""
    session.flush()
    session.execute(text("select set_config('app.project_id', :id, true)"), {"id": project_id})


def _shown(model: Listed) -> dict[str, Any]:
    return {"id": _plain(model.id, _LONGEST_NAME), "owned_by": _plain(model.owned_by, _LONGEST_NAME),
            "shutdown_date": _plain(model.shutdown_date, 32) if model.shutdown_date else None}


def _plain(words: str, longest: int) -> str:
    """What a server said, cut, and without what Postgres refuses."""
    return words[:longest].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
