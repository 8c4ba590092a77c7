"""What can be wrong with a webhook endpoint or with the request about it."""

from service.kit.errors import InvalidRequest, NotFound


class EndpointNotFound(NotFound):
    code = "webhook_endpoint_not_found"

    def __init__(self, endpoint_id: str) -> None:
        super().__init__(f"No webhook endpoint found with id '{endpoint_id}'.", param="webhook_endpoint_id")


class UnusableURL(InvalidRequest):
    """`why` completes the sentence "The URL …"."""

    code = "invalid_url"

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid 'url': the URL {why}. Webhooks go to a public https:// address.", param="url")


class TestNotAnswered(InvalidRequest):
    code = "webhook_endpoint_unreachable"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"The test event could not be delivered to {url[:200]}. {why}", param="url")
