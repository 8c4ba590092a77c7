"""What can be wrong with a question about events."""

from service.kit.errors import InvalidRequest, NotFound


class EventNotFound(NotFound):
    code = "event_not_found"

    def __init__(self, event_id: str) -> None:
        super().__init__(f"No event found with id '{event_id}'. Events are kept for a limited time.", param="event_id")


class UnknownEventType(InvalidRequest):
    code = "unknown_event_type"

    def __init__(self, name: str) -> None:
        super().__init__(f"Invalid 'type': '{name}' is no type of event, and no group of them such as"
                         " 'fine_tuning.job.*'. GET /v1/webhook_event_types lists all types.", param="type")


class EndlessStream(InvalidRequest):
    code = "stream_without_end"

    def __init__(self) -> None:
        super().__init__("A stream goes on with what happens, so it takes no 'until'. GET /v1/events does.",
                         param="until")
