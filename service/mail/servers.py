"""Reads what an operator says about the mail server and about who writes."""

from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from service.mail.addresses import InvalidAddress, normal
from service.settings import settings


class NotSetUp(Exception):
    """The message is a sentence that names the setting."""


class Security(StrEnum):
    STARTTLS = "smtp"
    TLS = "smtps"
    NONE = "smtp+plain"


_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over. With `smtp` and `smtps` nothing is said before a certificate was checked."""

    security: Security
    host: str
    port: int
    sender: Address
    timeout: float
    ca_file: Path | None
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        return f"{self.security}://{self.host}:{self.port}"


def server() -> Server:
    """As the settings have it. Raises NotSetUp, without a word of the password."""
    url = settings().smtp_url.get_secret_value()
    if not url:
        raise NotSetUp("TUNEWORKS_SMTP_URL is not set.")
    try:
        parts = urlsplit(url)
        security = Security(parts.scheme)
        host, port = parts.hostname or "", parts.port or _PORTS[security]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        host = ""
    if not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise NotSetUp("TUNEWORKS_SMTP_URL is not of the form smtp://user:password@host:587 (STARTTLS), smtps://…"
                       " or smtp+plain://….")
    return Server(security, host, port, _sender(), settings().smtp_timeout_seconds, settings().smtp_ca_file, user,
                  password)


def _sender() -> Address:
    name, address = parseaddr(settings().mail_from)
    if not address:
        raise NotSetUp("TUNEWORKS_MAIL_FROM is not set.")
    unusable = NotSetUp("TUNEWORKS_MAIL_FROM is no address such as `Tuneworks <tuneworks@example.com>`.")
    if not settings().mail_from.isprintable():
        raise unusable
    try:
        return Address(display_name=name, addr_spec=normal(address))
    except (InvalidAddress, HeaderParseError, ValueError):
        raise unusable from None
