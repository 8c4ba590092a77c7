"""Mails as programs read them: the headers that they go by, and no value of anybody's that becomes one, or a tag."""

import email
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from typing import Any

import pytest

from service.events.types import EventType
from service.mail.rendering import Contents, Happening, letter

AT = datetime(2026, 11, 26, 15, 4, 5, tzinfo=UTC)
SENDER = Address(display_name="Tüneworks", addr_spec="tuneworks@example.com")
LINK = "https://tune.example.com/notifications/unsubscribe/nsub_" + "x" * 40 + "." + "y" * 32
HOSTILE = 'x"\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script><a href="https://evil.example">&\u202e\x00'


def contents(kind: str = "event", **more: Any) -> Contents:
    happening = Happening("evt_1", EventType.JOB_FAILED, "ftjob-1", AT, {"error": {"message": "No <loss> & no gain."}})
    given: dict[str, Any] = {
        "mail_id": "mail_1", "kind": kind, "recipient": "ops@example.org", "made_at": AT, "project": "Acme Support",
        "subscription": "Nightly", "confirm_link": LINK.replace("unsubscribe", "confirm"), "unsubscribe_link": LINK,
        "happenings": (happening,), **more}
    return Contents(**given)


def parsed(made: Contents) -> EmailMessage:
    read = email.message_from_bytes(letter(made, SENDER).content, policy=SMTP)
    assert isinstance(read, EmailMessage)
    assert not read.defects
    return read


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


def tags(html: str) -> _Tags:
    read = _Tags()
    read.feed(html)
    return read


class TestHeaders:
    def test_are_those_of_a_list_that_one_click_ends(self) -> None:
        raw = letter(contents(), SENDER).content
        assert f"\r\nList-Unsubscribe: <{LINK}>\r\n".encode() in raw
        assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
        assert b"\r\nAuto-Submitted: auto-generated\r\n" in raw

    def test_one_click_is_promised_over_https_only(self) -> None:
        raw = letter(replace(contents(), unsubscribe_link=LINK.replace("https://", "http://")), SENDER).content
        assert b"List-Unsubscribe: <http://" in raw
        assert b"List-Unsubscribe-Post" not in raw

    def test_say_who_when_and_what(self) -> None:
        message = parsed(contents())
        assert message["From"] == "Tüneworks <tuneworks@example.com>"
        assert message["To"] == "ops@example.org"
        assert message["Subject"] == "Job failed: ftjob-1 (Acme Support)"
        assert message["Date"].datetime == AT
        assert message["Message-ID"] == "<mail_1@example.com>"

    def test_every_try_sends_the_same_bytes(self) -> None:
        assert letter(contents(), SENDER).content == letter(contents(), SENDER).content

    def test_no_line_is_longer_than_mail_allows(self) -> None:
        data = {"error": {"message": "m" * 5000}}
        happenings = tuple(Happening(f"evt_{n}", EventType.JOB_FAILED, "s" * 300, AT, data) for n in range(100))
        raw = letter(contents("digest", happenings=happenings, project="p" * 256), SENDER).content
        assert max(map(len, raw.split(b"\r\n"))) < 998
        assert b"\n" not in raw.replace(b"\r\n", b"")


class TestBodies:
    def test_an_event_is_told_as_text_and_as_html(self) -> None:
        message = parsed(contents())
        text = body(message, "plain")
        assert "Fine-tuning job ftjob-1 failed: No <loss> & no gain." in text
        assert "2026-11-26 15:04 UTC · fine_tuning.job.failed · evt_1" in text
        assert LINK in text
        html = body(message, "html")
        assert "No &lt;loss&gt; &amp; no gain." in html
        assert tags(html).links == [LINK]

    def test_a_digest_tells_all_and_how_many_more_there_were(self) -> None:
        happenings = tuple(Happening(f"evt_{n}", EventType.JOB_SUCCEEDED, f"ftjob-{n}", AT, {}) for n in range(3))
        message = parsed(contents("digest", happenings=happenings, more=7))
        assert message["Subject"] == "10 events in Acme Support"
        for kind in ("plain", "html"):
            said = body(message, kind)
            assert all(f"Fine-tuning job ftjob-{n} succeeded." in said for n in range(3))
            assert "… and 7 more" in said

    def test_a_confirmation_says_nothing_of_its_owners_choosing_but_the_projects_name(self) -> None:
        message = parsed(contents("confirmation", subscription="Buy at https://evil.example", happenings=()))
        for kind in ("plain", "html"):
            assert "evil" not in body(message, kind)
            assert "Acme Support" in body(message, kind)
        assert tags(body(message, "html")).links == [LINK.replace("unsubscribe", "confirm"), LINK]

    @pytest.mark.parametrize("kind", ["confirmation", "test", "event", "digest"])
    def test_hostile_names_become_neither_headers_nor_tags(self, kind: str) -> None:
        harmless = parsed(contents(kind))
        data = dict.fromkeys(("suffix", "model", "error", "status"), HOSTILE) | {"error": {"message": HOSTILE}}
        happening = Happening(HOSTILE, HOSTILE if kind == "digest" else EventType.JOB_FAILED, HOSTILE, AT, data)
        message = parsed(contents(kind, project=HOSTILE, subscription=HOSTILE, happenings=(happening,)))
        assert sorted(message.keys()) == sorted(harmless.keys())
        assert message.get_all("To") == ["ops@example.org"]
        html = body(message, "html")
        assert tags(html).names == tags(body(harmless, "html")).names
        assert tags(html).links == tags(body(harmless, "html")).links
        assert "\x00" not in html + body(message, "plain")
