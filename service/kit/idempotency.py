"""What was made under which Idempotency-Key: claimed, remembered and forgotten.

    Idempotency-Key ──▶ claim ──▶ act, and remember what was made      one transaction: both are there, or neither
                          │
                          └── made before ──▶ recall it                Idempotent-Replayed: true

A refusal is not remembered: its transaction takes the key back, and a mended request may use it. Requests that come at
once wait for the first one on the unique index. The HTTP face is service/kit/repetitions.py.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import UniqueConstraint, delete, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit.database import Base, Positioned, Scope, Tenanted, database_now
from service.kit.errors import InvalidRequest, ServiceError
from service.kit.identifiers import new_id
from service.kit.schemas import JSONObject
from service.kit.work import Work, enqueue

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
PATIENCE = timedelta(seconds=2)
"""So long a request waits for another one with its key; each that waits holds a connection."""
QUERY = "?"
"""Where a fingerprint has the query, among the fields of the body."""
_LOCK_NOT_AVAILABLE = "55P03"


class IdempotencyKey(Tenanted, Positioned, Base):
    """One request that made something. Written with what it made, and never changed after that."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("project_id", "key"),)

    key: Mapped[str]
    route: Mapped[str]
    "Method and path."
    fingerprint: Mapped[dict[str, Any]]
    "SHA-256 of each field of the body and of the query, so that a refusal can name what differs."
    made: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    "What it is recalled by. Null only within the transaction that makes it."


class InvalidKey(InvalidRequest):
    code = "invalid_idempotency_key"

    def __init__(self, what: str) -> None:
        super().__init__(f"Invalid '{HEADER}' header: {what}. Expected 1 to 255 visible ASCII characters without"
                         " spaces, such as a UUID that you draw for each thing to be made and send with every try.",
                         param=HEADER)


class KeyReused(ServiceError):
    """As the IETF's draft has it; a mistake of the caller's, who would otherwise take one thing for another."""

    status = 422
    type = "invalid_request_error"
    code = "idempotency_key_reused"

    def __init__(self, what: str) -> None:
        super().__init__(f"This {HEADER} was used before for another request: {what}. Send the same request to be told"
                         " again what it made, or use a new key for a new one.", param=HEADER)


class KeyInProgress(ServiceError):
    """Unlike other conflicts, worth a retry, which the official SDKs do on their own."""

    status = 409
    type = "invalid_request_error"
    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__(f"A request with this {HEADER} is being worked on. Send it again in a moment, with the same"
                         " key, to be told what it made.", param=HEADER,
                         headers={"retry-after": "1"})


def claim(session: Session, key: str, route: str, fingerprint: JSONObject) -> tuple[IdempotencyKey, bool]:
    """The key's row, and whether this transaction made it. Raises KeyInProgress, or KeyReused for another request."""
    scope: Scope = session.info["scope"]
    values = {"id": new_id("idem_"), "project_id": scope.project_id, "key": key, "route": route,
              "fingerprint": fingerprint}
    with_key = select(IdempotencyKey).where(IdempotencyKey.project_id == scope.project_id, IdempotencyKey.key == key)
    while True:
        is_new = _insert(session, values)
        row = session.scalar(with_key)
        if row is not None:  # else it was forgotten between the two statements
            _compare(row, route, fingerprint)
            return row, is_new


def _insert(session: Session, values: Mapping[str, Any]) -> bool:
    session.execute(text("select set_config('lock_timeout', :patience, true)"),
                    {"patience": str(int(PATIENCE.total_seconds() * 1000))})
    try:
        made = session.execute(insert(IdempotencyKey).values(values).on_conflict_do_nothing(
            index_elements=[IdempotencyKey.project_id, IdempotencyKey.key]).returning(IdempotencyKey.id)).first()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise KeyInProgress from error
        raise
    session.execute(text("set local lock_timeout to default"))
    return made is not None


def _compare(row: IdempotencyKey, route: str, fingerprint: JSONObject) -> None:
    """Raises KeyReused."""
    if row.route != route:
        raise KeyReused(f"that was {row.route}, and this is {route}")
    both = {**row.fingerprint, **fingerprint}
    differing = [name for name in both if row.fingerprint.get(name) != fingerprint.get(name)]
    if differing:
        raise KeyReused("its " + " and ".join(_places(differing)) + " differs")


def _places(names: list[str]) -> list[str]:
    fields = ", ".join(sorted(set(names) - {QUERY}))
    return [*([f"body ({fields})"] if fields else []), *(["query"] if QUERY in names else [])]


def remember(session: Session, row: IdempotencyKey, made: JSONObject) -> None:
    """The request was done; its key is forgotten when its time is up."""
    row.made = made
    session.flush()
    enqueue(session, Work.FORGET_KEY, row.id, project_id=row.project_id, run_at=database_now(session) + KEPT_FOR)


def forget(session: Session, row_id: str) -> None:
    """The key may be used anew."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.id == row_id))
