"""What is sent of an event: the same bytes at every try."""

import json

from service.events.tables import Event
from service.webhooks.tables import WebhookEndpoint


def body(event: Event, endpoint: WebhookEndpoint) -> bytes:
    """The event as this endpoint wants it: its subject's id, or all that is known of it."""
    data = event.data if endpoint.payload == "full" else {"id": event.subject}
    return json.dumps({"id": event.id, "object": "event", "type": event.type,
                       "created_at": int(event.created_at.timestamp()), "sequence": event.sequence,
                       "data": data}, separators=(",", ":")).encode()
