"""What can be wrong with a webhook endpoint or with the request about it."""

from service.kit.errors import Conflict, InvalidRequest, NotFound


class EndpointNotFound(NotFound):
    code = "webhook_endpoint_not_found"

    def __init__(self, endpoint_id: str) -> None:
        super().__init__(f"No webhook endpoint found with id '{endpoint_id}'.", param="webhook_endpoint_id")


class UnusableURL(InvalidRequest):
    """`why` completes the sentence "The URL …"."""

    code = "invalid_url"

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid 'url': the URL {why}. Webhooks go to a public https:// address.", param="url")


class TooManyEndpoints(InvalidRequest):
    code = "too_many_webhook_endpoints"

    def __init__(self, most: int) -> None:
        super().__init__(f"A project has at most {most} webhook endpoints. Delete some first.")


class TestNotAnswered(InvalidRequest):
    code = "webhook_endpoint_unreachable"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"The test event could not be delivered to {url[:200]}. {why}", param="url")


class DeliveryNotFound(NotFound):
    code = "webhook_delivery_not_found"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"No webhook delivery found with id '{delivery_id}'.", param="webhook_delivery_id")


class NothingSentThere(Conflict):
    """`why` completes the sentence "The endpoint …"."""

    code = "webhook_endpoint_not_enabled"

    def __init__(self, endpoint_id: str, why: str) -> None:
        super().__init__(f"Nothing can be sent to the webhook endpoint '{endpoint_id}': it {why}.",
                         param="webhook_endpoint_id")


class BackwardsRange(InvalidRequest):
    code = "invalid_value"

    def __init__(self) -> None:
        super().__init__("Invalid 'until': it lies before 'since'.", param="until")
