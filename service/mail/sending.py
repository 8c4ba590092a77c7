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
        return _answered("the address", code, said)
    except smtplib.SMTPDataError as refused:  # any other answer, as to the greeting or to STARTTLS, is not about it
        return _answered("the mail", refused.smtp_code, refused.smtp_error)
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


def _answered(what: str, code: int, said: bytes | str) -> Handover:
    """What the server does with it, and its own words, of which `smtplib` keeps half where they have no code (-1)."""
    is_final = 500 <= code < 600
    verdict = f"refuses {what}" if is_final else f"does not take {what} now"
    words = said.decode(errors="replace") if isinstance(said, bytes) else said
    error = f"The mail server {verdict}: {f'{code} {words}' if code > 0 else 'its answer has no code'}"
    return Handover(Outcome.REFUSED if is_final else Outcome.LATER, line(error, longest=_LONGEST))


def in_words(trouble: Exception) -> str:
    """A sentence for owners and operators; the more special classes come first."""
    match trouble:
        case smtplib.SMTPAuthenticationError(smtp_code=code, smtp_error=words):
            said = _answered("this house's name and password", code, words).error
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=words):
            said = _answered("mail of this house", code, words).error
        case smtplib.SMTPServerDisconnected():
            said = "The mail server broke the connection off, or did not answer in time."
        case smtplib.SMTPException():
            said = "The mail server does not offer what this house requires: STARTTLS, and a login if it has one."
        case TimeoutError():
            said = "The mail server did not answer in time."
        case ssl.SSLCertVerificationError(verify_message=why):
            said = f"The mail server's certificate cannot be trusted: {why}."
        case ssl.SSLError(reason=why):
            said = f"No encrypted connection to the mail server came about: {_lowered(why)}."
        case FileNotFoundError() | PermissionError() | IsADirectoryError():  # no other file is read
            said = "The file that TUNEWORKS_SMTP_CA_FILE names cannot be read."
        case OSError(strerror=why):
            said = f"The mail server cannot be reached: {_lowered(why)}."
        case _:
            said = f"The mail could not be handed over: {type(trouble).__name__}."
    return line(said, longest=_LONGEST)


def _lowered(why: str | None) -> str:
    return why.replace("_", " ").lower() if why else "nobody says why"
