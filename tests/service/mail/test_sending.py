"""Mail is handed over to real mail servers: encrypted, with a password, and to those that refuse or hang up."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from service.mail.sending import Handover, Letter, Outcome, send
from service.settings import settings
from tests.fixtures.certificates import Authority
from tests.fixtures.mail import HANG_UP, PASSWORD, TAKEN, USER, MailServer, authority_file, taking_mail

LETTER = Letter("ops@example.org", b"From: a@example.com\r\nMessage-ID: <mail_1@example.com>\r\n\r\nHi\r\n")
QUOTED = "p%40ss%3Aw%2Frd%3F%23%25"
Configure = Callable[..., None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    def change(**variables: str) -> None:
        for name, value in {"MAIL_FROM": "tuneworks@example.com", "SMTP_TIMEOUT_SECONDS": "5", **variables}.items():
            monkeypatch.setenv(f"TUNEWORKS_{name}", value)
        settings.cache_clear()
    yield change
    monkeypatch.undo()
    settings.cache_clear()


def answer_in_turn(listening: socket.socket, answers: list[str]) -> None:
    """The first when somebody connects, each of the others to a line of theirs; then hang up."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rwb") as spoken:
        for number, answer in enumerate(answers):
            if number:
                spoken.readline()
            spoken.write(f"{answer}\r\n".encode())
            spoken.flush()


class TestEncryption:
    def test_starttls_and_a_password_with_strange_characters(self, authority: Authority, configure: Configure) -> None:
        with taking_mail(starttls=authority.server("localhost"), with_login=True) as server:
            configure(SMTP_URL=f"smtp://{USER}:{QUOTED}@localhost:{server.port}",
                      SMTP_CA_FILE=str(authority_file(authority)))
            assert send(LETTER) == Handover(Outcome.SENT)
        arrived = server.mails[0]
        assert (arrived.encrypted, arrived.login) == (True, USER)
        assert (arrived.sender, arrived.recipients) == ("tuneworks@example.com", ("ops@example.org",))
        assert arrived.message["Message-ID"] == "<mail_1@example.com>"

    def test_tls_from_the_start(self, authority: Authority, configure: Configure) -> None:
        with taking_mail(tls=authority.server("localhost")) as server:
            configure(SMTP_URL=f"smtps://localhost:{server.port}", SMTP_CA_FILE=str(authority_file(authority)))
            assert send(LETTER) == Handover(Outcome.SENT)
        assert len(server.mails) == 1

    def test_a_server_whose_certificate_nobody_signed_gets_neither_mail_nor_password(
            self, authority: Authority, configure: Configure) -> None:
        with taking_mail(starttls=authority.server("localhost"), with_login=True) as server:
            configure(SMTP_URL=f"smtp://{USER}:{QUOTED}@localhost:{server.port}")
            handover = send(LETTER)
        assert handover.outcome is Outcome.LATER
        assert handover.error.startswith("The mail server's certificate cannot be trusted: ")
        assert server.mails == []

    def test_a_server_with_another_name_gets_no_mail(self, authority: Authority, configure: Configure) -> None:
        with taking_mail(starttls=authority.server("other.example.com")) as server:
            configure(SMTP_URL=f"smtp://localhost:{server.port}", SMTP_CA_FILE=str(authority_file(authority)))
            assert send(LETTER).error.startswith("The mail server's certificate cannot be trusted: ")
        assert server.mails == []

    def test_a_server_that_does_not_encrypt_is_not_spoken_to_in_the_clear(self, configure: Configure) -> None:
        with taking_mail() as server:
            configure(SMTP_URL=f"smtp://127.0.0.1:{server.port}")
            handover = send(LETTER)
        assert handover.outcome is Outcome.LATER
        assert "STARTTLS" in handover.error
        assert server.mails == []


class TestAnswers:
    @pytest.mark.parametrize(("stage", "answer", "outcome", "error"), [
        ("on_recipient", "450 greylisted", Outcome.LATER, "does not take the address now: 450 greylisted"),
        ("on_recipient", "550 no such user", Outcome.REFUSED, "refuses the address: 550 no such user"),
        ("on_data", "451 try again later", Outcome.LATER, "does not take the mail now: 451 try again later"),
        ("on_data", "554 this is spam", Outcome.REFUSED, "refuses the mail: 554 this is spam"),
        ("on_data", "hello", Outcome.LATER, "does not take the mail now: its answer has no code"),
        ("on_sender", "550 who are you", Outcome.LATER, "refuses mail of this house: 550 who are you"),
        ("on_sender", "421 shutting down", Outcome.LATER, "does not take mail of this house now: 421 shutting down"),
    ])
    def test_for_now_and_for_good_are_told_apart(self, mail_server: MailServer, stage: str, answer: str,
                                                 outcome: Outcome, error: str) -> None:
        setattr(mail_server, stage, [answer])
        assert send(LETTER) == Handover(outcome, f"The mail server {error}")
        assert mail_server.mails == []

    @pytest.mark.parametrize("stage", ["on_sender", "on_recipient", "on_data"])
    def test_a_server_that_hangs_up_is_tried_again(self, mail_server: MailServer, stage: str) -> None:
        setattr(mail_server, stage, [HANG_UP, "250 OK" if stage != "on_data" else TAKEN])
        assert send(LETTER).outcome is Outcome.LATER
        assert send(LETTER).outcome is Outcome.SENT

    def test_a_wrong_password_is_our_fault_and_not_told(self, authority: Authority, configure: Configure) -> None:
        with taking_mail(starttls=authority.server("localhost"), with_login=True) as server:
            configure(SMTP_URL=f"smtp://{USER}:wrong-{QUOTED}@localhost:{server.port}",
                      SMTP_CA_FILE=str(authority_file(authority)))
            handover = send(LETTER)
        assert handover.outcome is Outcome.LATER
        assert handover.error.startswith("The mail server refuses this house's name and password: 535 ")
        assert PASSWORD not in handover.error

    @pytest.mark.parametrize("answers", [
        ["554 closed to you"], ["220 hello", "250-hello\r\n250 STARTTLS", "554 not now"]])
    def test_a_server_that_refuses_the_house_refuses_no_mail(self, configure: Configure, answers: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            answering = Thread(target=answer_in_turn, args=(listening, answers))
            answering.start()
            configure(SMTP_URL=f"smtp://127.0.0.1:{listening.getsockname()[1]}")
            handover = send(LETTER)
            answering.join()
        assert handover == Handover(Outcome.LATER, f"The mail server refuses mail of this house: {answers[-1]}")

    def test_what_a_server_says_is_kept_as_one_short_line(self, mail_server: MailServer) -> None:
        mail_server.on_data = ["554 no\x00\x1b[31m " + "x" * 400]
        error = send(LETTER).error
        assert error.isprintable()
        assert len(error) <= 500


class TestSilence:
    def test_nobody_there(self, configure: Configure) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        configure(SMTP_URL=f"smtp+plain://127.0.0.1:{port}")
        assert send(LETTER) == Handover(Outcome.LATER, "The mail server cannot be reached: connection refused.")

    def test_a_server_that_says_nothing(self, configure: Configure) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            configure(SMTP_URL=f"smtp+plain://127.0.0.1:{silent.getsockname()[1]}", SMTP_TIMEOUT_SECONDS="0.2")
            handover = send(LETTER)
        assert handover == Handover(
            Outcome.LATER, "The mail server broke the connection off, or did not answer in time.")

    def test_a_server_that_answers_in_another_protocol(self, configure: Configure) -> None:
        with taking_mail() as server:
            configure(SMTP_URL=f"smtps://127.0.0.1:{server.port}")
            handover = send(LETTER)
        assert handover.outcome is Outcome.LATER
        assert handover.error.startswith("No encrypted connection to the mail server came about: ")

    def test_an_authority_file_that_is_not_there(self, configure: Configure, tmp_path: Path) -> None:
        configure(SMTP_URL="smtp://127.0.0.1:1", SMTP_CA_FILE=str(tmp_path / "gone.pem"))
        assert send(LETTER) == Handover(
            Outcome.LATER, "The file that TUNEWORKS_SMTP_CA_FILE names cannot be read.")

    def test_a_name_that_nobody_has(self, configure: Configure) -> None:
        configure(SMTP_URL="smtp://mail.invalid")
        handover = send(LETTER)
        assert handover.outcome is Outcome.LATER
        assert handover.error.startswith("The mail server cannot be reached: ")


@pytest.mark.parametrize(("variables", "said"), [
    ({"SMTP_URL": ""}, "TUNEWORKS_SMTP_URL is not set."),
    ({"SMTP_URL": "http://secret@example.com"}, "TUNEWORKS_SMTP_URL is not of the form"),
    ({"SMTP_URL": "smtp://user:secret@"}, "TUNEWORKS_SMTP_URL is not of the form"),
    ({"SMTP_URL": "smtp://user:secret@host:many"}, "TUNEWORKS_SMTP_URL is not of the form"),
    ({"SMTP_URL": "smtp://user:secret@[host"}, "TUNEWORKS_SMTP_URL is not of the form"),
    ({"SMTP_URL": "smtp://user:secret@host/path?x"}, "TUNEWORKS_SMTP_URL is not of the form"),
    ({"SMTP_URL": "smtp://host", "MAIL_FROM": ""}, "TUNEWORKS_MAIL_FROM is not set."),
    ({"SMTP_URL": "smtp://host", "MAIL_FROM": "nobody"}, "TUNEWORKS_MAIL_FROM is no address"),
    ({"SMTP_URL": "smtp://host", "MAIL_FROM": "a\r\nBcc: x@example.com <t@example.com>"}, "TUNEWORKS_MAIL_FROM is no"),
])
def test_what_is_not_set_up_is_named_without_secrets(configure: Configure, variables: dict[str, str],
                                                     said: str) -> None:
    configure(**variables)
    handover = send(LETTER)
    assert handover.outcome is Outcome.LATER
    assert handover.error.startswith(said)
    assert "secret" not in handover.error
