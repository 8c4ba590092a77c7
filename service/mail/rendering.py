"""Writes mails, as text and as HTML that loads nothing: no value in them can become a header, a tag or a link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Any

from service.events.sentences import line, sentence, title
from service.mail.sending import Letter
from service.settings import settings

_UNFOLDED = SMTP.clone(max_line_length=None)
"""Folding breaks long links, which must stand in their headers as they are."""
_STYLE = "font:15px/1.5 system-ui,sans-serif;color:#222;max-width:40rem"
_SMALL = "color:#666;font-size:13px"
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Happening:
    event_id: str
    type: str
    subject: str
    at: datetime
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a mail says."""

    mail_id: str
    kind: str
    recipient: str
    made_at: datetime
    project: str
    subscription: str
    confirm_link: str = field(repr=False)
    unsubscribe_link: str = field(repr=False)
    happenings: Sequence[Happening] = ()
    more: int = 0
    "How many events are not listed."


@dataclass(frozen=True, slots=True)
class _Words:
    """A mail as a subject, paragraphs, a list of (what, about it) and a link to press."""

    subject: str
    paragraphs: Sequence[str]
    listed: Sequence[tuple[str, str]] = ()
    after: Sequence[str] = ()
    press: tuple[str, str] | None = None


def letter(contents: Contents, sender: Address) -> Letter:
    """The mail, the same bytes at every try."""
    words = _WRITERS[contents.kind](contents)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = Address(addr_spec=contents.recipient)
    message["Subject"] = line(words.subject, longest=150)
    message["Date"] = format_datetime(contents.made_at.astimezone(UTC))
    message["Message-ID"] = f"<{contents.mail_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["List-Unsubscribe"] = f"<{contents.unsubscribe_link}>"
    if contents.unsubscribe_link.startswith("https://"):  # RFC 8058 has it for no other
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_text(words, contents), cte="quoted-printable")
    message.add_alternative(_html(words, contents), subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{contents.mail_id}")
    return Letter(contents.recipient, message.as_bytes(policy=_UNFOLDED))


def _project(contents: Contents) -> str:
    return line(contents.project, longest=_LONGEST_NAME)


def _house() -> str:
    return line(settings().organization_name, longest=_LONGEST_NAME)


def _confirmation(contents: Contents) -> _Words:
    """Nothing in it but the project's name is of its owner's choosing: it goes to people who never asked for it."""
    return _Words(
        f"Confirm mail from {_house()}",
        ((f"The project {_project(contents)} at {_house()} asks whether to send mail to {contents.recipient} when"
          " something happens there, such as the end of a fine-tuning job."),
         "If you want that, confirm it. If not, do nothing: no further mail will come."),
        press=("Confirm", contents.confirm_link))


def _test(contents: Contents) -> _Words:
    return _Words(f"Test of {line(contents.subscription, longest=_LONGEST_NAME)}",
                  (f"This is what mail of {_project(contents)} looks like. Nothing has happened.",))


def _event(contents: Contents) -> _Words:
    if not contents.happenings:
        return _digest(contents)
    only = contents.happenings[0]
    return _Words(f"{title(only.type)}: {line(only.subject)} ({_project(contents)})",
                  (sentence(only.type, only.subject, only.data), _about(only)))


def _digest(contents: Contents) -> _Words:
    total = len(contents.happenings) + contents.more
    what = "event" if total == 1 else "events"
    return _Words(f"{total} {what} in {_project(contents)}", (f"This happened in {_project(contents)}:",),
                  [(sentence(each.type, each.subject, each.data), _about(each)) for each in contents.happenings],
                  (f"… and {contents.more} more; GET /v1/events lists them all.",) if contents.more else ())


_WRITERS = {"confirmation": _confirmation, "test": _test, "event": _event, "digest": _digest}


def _about(happening: Happening) -> str:
    return f"{happening.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC · {line(happening.type)} · {line(happening.event_id)}"


def _why(contents: Contents) -> str:
    if contents.kind == "confirmation":
        return "Never to be asked by this project again:"
    return f"{contents.recipient} has confirmed to get mail of {_project(contents)}. To get no more of it:"


def _text(words: _Words, contents: Contents) -> str:
    parts = [*words.paragraphs, *(f"- {what}\n  {about}" for what, about in words.listed), *words.after]
    if words.press:
        parts.append(f"{words.press[0]}: {words.press[1]}")
    return "\n\n".join([*parts, f"-- \n{_why(contents)}\n{contents.unsubscribe_link}"]) + "\n"


def _html(words: _Words, contents: Contents) -> str:
    parts = [f"<p>{escape(each)}</p>" for each in words.paragraphs]
    if words.listed:
        parts.append("<ul>" + "".join(f'<li>{escape(what)}<br><span style="{_SMALL}">{escape(about)}</span></li>'
                                      for what, about in words.listed) + "</ul>")
    parts += [f"<p>{escape(each)}</p>" for each in words.after]
    if words.press:
        parts.append(f'<p><a href="{escape(words.press[1])}">{escape(words.press[0])}</a></p>')
    foot = (f'<p style="{_SMALL}">{escape(_why(contents))}'
            f' <a href="{escape(contents.unsubscribe_link)}">unsubscribe</a></p>')
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"></head>'
            f'<body style="{_STYLE}">{"".join(parts)}<hr>{foot}</body></html>\n')
