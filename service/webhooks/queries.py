"""Questions about webhook endpoints."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.kit.pagination import paginate
from service.webhooks.errors import EndpointNotFound
from service.webhooks.tables import WebhookEndpoint


def _present() -> Select[WebhookEndpoint]:
    return select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))


def endpoint(session: Session, endpoint_id: str) -> WebhookEndpoint:
    """The endpoint with this id. Raises EndpointNotFound."""
    found = session.scalar(_present().where(WebhookEndpoint.id == endpoint_id))
    if found is None:
        raise EndpointNotFound(endpoint_id)
    return found


def endpoints(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[WebhookEndpoint], bool]:
    """One page of endpoints, newest first, and whether more follow."""
    return paginate(session, _present(), WebhookEndpoint, after=after, limit=limit)


