"""The verbs of webhooks: endpoints are kept, deliveries planned, claimed, composed, recorded, and forgotten in the end.

    event, untold ──plan──▶ pending ──claim──▶ pending, leased ──record──▶ delivered
                               ▲                     │ │                    failed      tries spent, 410, or no endpoint
                               │                     │ └── the schedule says when again
                               └── the lease ran out ┘

Time that decides anything is handed in as `now`; nothing here looks at a clock, apart from the verbs
of the API.
"""

from service.webhooks.operations.claiming import Due, Places, Room, claim, expel, give_back
from service.webhooks.operations.composing import Composed, compose, load
from service.webhooks.operations.disabling import disable
from service.webhooks.operations.endpoints import create, delete, rotate_secret, sample, update
from service.webhooks.operations.forgetting import forget
from service.webhooks.operations.planning import plan
from service.webhooks.operations.recording import Ended, record

__all__ = [
    "Composed",
    "Due",
    "Ended",
    "Places",
    "Room",
    "claim",
    "compose",
    "create",
    "delete",
    "disable",
    "expel",
    "forget",
    "give_back",
    "load",
    "plan",
    "record",
    "rotate_secret",
    "sample",
    "update",
]
