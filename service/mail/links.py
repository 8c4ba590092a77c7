"""The addresses that mails lead to."""

from service.mail.tables import MailSubscription
from service.mail.tokens import Purpose, token
from service.settings import settings


def base() -> str:
    return (settings().public_url or f"http://{settings().host}:{settings().port}").rstrip("/")


def link(subscription: MailSubscription, purpose: Purpose) -> str:
    return f"{base()}/notifications/{purpose}/{token(subscription.secret, subscription.id, purpose)}"
