"""Wire shape of events."""

from typing import Literal

from service.kit.pagination import Page
from service.kit.schemas import Answer, JSONObject, Timestamp


class Event(Answer):
    """Something that happened to one object, as it was then."""

    id: str
    object: Literal["event"] = "event"
    type: str
    created_at: Timestamp
    sequence: int
    """1, 2, 3, … of the events of its subject: of two, the one with the higher number is the later."""
    data: JSONObject
    """`id` is the subject's; the rest is what was known of it then."""


class EventList(Page[Event]):
    """A page of events, newest first."""
