"""Hands one mail over to the house's mail server, and says how that ended."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from service.events.sentences import line
from service.mail.servers import NotSetUp, Security, Server, server

__all__ = ["Handover", "Letter", "NotSetUp", "Outcome", "in_words", "probe", "send", "server"]
_LONGEST = 500


class Outcome(StrEnum):
    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail, complete: nothing of it is looked up while it is sent."""

    recipient: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Handover:
    outcome: Outcome
    error: str = ""


def send(letter: Letter) -> Handover:
    """Never raises for what the server does. A mail that may have been taken counts as not sent.

    Only what the server says of the recipient or of the mail itself can refuse it; all else an operator mends.
    """
    try:
        found = server()
        with _connection(found) as connection:
            connection.sendmail(found.sender.addr_spec, [letter.recipient], letter.content)
    except NotSetUp as unset:
        return Handover(Outcome.LATER, str(unset))
    except smtplib.SMTPRecipientsRefused as refused:
        code, said = next(iter(refused.recipients.values()))
        return _answered(code, said)
    except smtplib.SMTPDataError as refused:  # any other answer, as to the greeting or to STARTTLS, is not about it
        return _answered(refused.smtp_code, refused.smtp_error)
    except (smtplib.SMTPException, OSError, ValueError) as trouble:  # ssl.SSLError and TimeoutError are OSErrors
        return Handover(Outcome.LATER, in_words(trouble))
    return Handover(Outcome.SENT)


def probe(found: Server) -> None:
    """Greet the server, as far as before a mail. Raises what `smtplib` does."""
    with _connection(found) as connection:
        connection.noop()


@contextmanager
def _connection(found: Server) -> Iterator[smtplib.SMTP]:
    """Closed with a farewell that nobody waits for: what was taken before stays taken."""
    context = ssl.create_default_context(cafile=found.ca_file)
    connection = (smtplib.SMTP_SSL(found.host, found.port, timeout=found.timeout, context=context)
                  if found.security is Security.TLS else smtplib.SMTP(found.host, found.port, timeout=found.timeout))
    try:
        connection.ehlo_or_helo_if_needed()
        if found.security is Security.STARTTLS:
            connection.starttls(context=context)
            connection.ehlo()
        if found.user:
            connection.login(found.user, found.password)
        yield connection
        with suppress(smtplib.SMTPException, OSError):
            connection.quit()
    finally:
        connection.close()


def _answered(code: int, said: bytes | str) -> Handover:
    error = line(f"{code} {said.decode(errors='replace') if isinstance(said, bytes) else said}", longest=_LONGEST)
    return Handover(Outcome.REFUSED if 500 <= code < 600 else Outcome.LATER, error)


def in_words(trouble: Exception) -> str:
    if isinstance(trouble, smtplib.SMTPResponseException):
        return _answered(trouble.smtp_code, trouble.smtp_error).error
    return line(f"{type(trouble).__name__}: {trouble}", longest=_LONGEST)
