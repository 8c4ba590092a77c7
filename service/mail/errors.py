"""What can be wrong with a subscription or with the request about it."""

from service.kit.errors import Busy, InvalidRequest, NotFound


class SubscriptionNotFound(NotFound):
    code = "notification_subscription_not_found"

    def __init__(self, subscription_id: str) -> None:
        super().__init__(f"No notification subscription found with id '{subscription_id}'.",
                         param="notification_subscription_id")


class UnusableAddress(InvalidRequest):
    code = "invalid_address"

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid 'address': {why}", param="address")


class AddressTaken(InvalidRequest):
    code = "address_taken"

    def __init__(self, address: str, subscription_id: str) -> None:
        super().__init__(f"The address '{address}' has the subscription '{subscription_id}' already. Update that, or"
                         " delete it first.", param="address")


class AddressDeclined(InvalidRequest):
    code = "address_declined"

    def __init__(self, address: str) -> None:
        super().__init__(f"Whoever reads '{address}' wanted no mail of this project lately. They alone can take that"
                         " back, by the link in the mail that they got.", param="address")


class MailNotSetUp(InvalidRequest):
    code = "mail_not_set_up"

    def __init__(self, why: str) -> None:
        super().__init__(f"This house sends no mail: {why} Ask its operator, or use a webhook endpoint, whose `kind`"
                         " may be `slack`.")


class TooManySubscriptions(InvalidRequest):
    code = "too_many_subscriptions"

    def __init__(self, most: int, *, unconfirmed: bool = False) -> None:
        which = "subscriptions that nobody has confirmed yet" if unconfirmed else "notification subscriptions"
        super().__init__(f"A project has at most {most} {which}. Delete some first.")


class NotConfirmed(InvalidRequest):
    code = "subscription_not_active"

    def __init__(self, status: str) -> None:
        super().__init__(f"The subscription is {status}: mail goes only to an address that has confirmed it.")


class ConfirmedAlready(InvalidRequest):
    code = "subscription_not_unconfirmed"

    def __init__(self, status: str) -> None:
        super().__init__(f"The subscription is {status}; only one that is unconfirmed can be asked to confirm.")


class MailedLately(Busy):
    def __init__(self, what: str, seconds: int) -> None:
        super().__init__(f"{what} Try again in {seconds} s.", retry_after=seconds, code="mailed_lately")


class InvalidLink(NotFound):
    code = "invalid_link"

    def __init__(self) -> None:
        super().__init__("This link is not valid, or not any more.")
