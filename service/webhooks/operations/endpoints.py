"""What owners do with their endpoints."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.webhooks import bodies, queries, schemas, signatures
from service.webhooks.errors import TooManyEndpoints
from service.webhooks.operations.composing import signed
from service.webhooks.sending import Message
from service.webhooks.tables import WebhookEndpoint

_MOST = 200
"""Each event may be delivered to all of a project's endpoints, and all of that is planned in one go."""
_OLD_SECRET_LIFE = timedelta(hours=24)
_PREFIXES = {"fine_tuning.job.": "ftjob-", "file.": "file-", "dataset.version.": "dsver_", "review.": "review_",
             "spend.": "proj_", "credential.": "cred_", "model.": "ft:base:house::", "import.": "import_",
             "webhook_endpoint.": "we_"}
_TAKEN_UP_AGAIN: dict[str, Any] = dict.fromkeys(("failing_since", "last_failure_at", "disabled_at", "disabled_reason"))


def create(session: Session, project_id: str, body: schemas.EndpointCreate) -> WebhookEndpoint:
    """A new endpoint with a fresh signing key; its URL has been checked by the caller. Raises TooManyEndpoints."""
    _check_room(session, project_id)
    endpoint = WebhookEndpoint(id=new_id("we_"), project_id=project_id, name=body.name, url=body.url,
                               event_types=body.event_types, payload=body.payload, kind=body.kind,
                               secret=signatures.new_secret())
    session.add(endpoint)
    session.flush()
    return endpoint


def _check_room(session: Session, project_id: str) -> None:
    """Whoever counts what there is, and then makes one more, waits for others who do."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"),
                    {"key": f"webhook_endpoints {project_id}"})
    if queries.count(session) >= _MOST:
        raise TooManyEndpoints(_MOST)


def update(session: Session, endpoint_id: str, body: schemas.EndpointUpdate) -> WebhookEndpoint:
    """Change what is given. An endpoint that was disabled takes deliveries again, changed or not."""
    endpoint = queries.endpoint(session, endpoint_id, lock=True)  # or what a sender notes meanwhile would stand
    wanted: dict[str, Any] = {**body.model_dump(exclude_none=True), **_TAKEN_UP_AGAIN}
    changed = {name: value for name, value in wanted.items() if getattr(endpoint, name) != value}
    for name, value in changed.items():
        setattr(endpoint, name, value)
    if changed:
        endpoint.updated_at = database_now(session)
    return endpoint


def delete(session: Session, endpoint_id: str) -> WebhookEndpoint:
    """Remove the endpoint; the sender fails what is still to be made."""
    endpoint = queries.endpoint(session, endpoint_id)
    endpoint.deleted_at = database_now(session)
    return endpoint


def rotate_secret(session: Session, endpoint_id: str, *, keep_old: bool) -> WebhookEndpoint:
    """A fresh signing key. If `keep_old`, the old one signs beside it for a day, as do those that were promised so
    before; otherwise only the new one signs from now on.
    """
    endpoint = queries.endpoint(session, endpoint_id, lock=True)
    now = database_now(session)
    endpoint.retire_key(now, now + _OLD_SECRET_LIFE if keep_old else None)
    endpoint.secret = signatures.new_secret()
    endpoint.updated_at = now
    return endpoint


def sample(session: Session, endpoint_id: str, event_type: str) -> Message:
    """A signed event that never happened, for trying the endpoint out; it says so, as `test`."""
    endpoint = queries.endpoint(session, endpoint_id)
    now, subject = database_now(session), new_id(_prefix(event_type))
    event = Event(id=new_id("evt_"), project_id=endpoint.project_id, type=event_type, subject=subject, sequence=1,
                  created_at=now, data={"id": subject})
    return signed(endpoint, new_id("wh_"), now, bodies.body(event, endpoint, is_test=True))


def _prefix(event_type: str) -> str:
    """How ids of such an event's subject begin."""
    return next(prefix for group, prefix in _PREFIXES.items() if event_type.startswith(group))
