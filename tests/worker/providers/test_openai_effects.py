"""What a failed request may have done: the line between "surely nothing" and "perhaps", at the level of sockets."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.worker.providers.bodies import JOB_ID, Bytes, Opened, job, order
from tests.worker.providers.scripted import (
    Act,
    Scripted,
    answer,
    raw,
    refusal,
    reset,
    scripted,
    silence,
)
from worker.providers.compatible.remote import CompatibleRemote
from worker.providers.openai import remote, transport
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, Unavailable, UploadProgress


def asked(url: str, verb: str, *given: Any) -> None:
    with closing(OpenAIRemote(Opened(base_url=url), allow_private=True)) as client:
        getattr(client, verb)(*given)


def created(*script: Act, **options: Any) -> Scripted:
    """Create one job at a server that does `script` to the request."""
    with scripted(*script, **options) as server:
        asked(server.url, "create", order())
    return server


def looked(*script: Act) -> None:
    with scripted(*script) as server:
        asked(server.url, "retrieve", JOB_ID)


@contextmanager
def taken(act: Act) -> Iterator[int]:
    """The port of a server that acts on a connection before it has read anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                act(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)


def reset_once_greeted(connection: socket.socket) -> None:
    """Not before: of a socket that was reset before TLS began, Python leaks its wrapper (`SSLSocket._create`)."""
    connection.recv(1)
    reset(connection)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs that a test can wait for."""
    monkeypatch.setattr(transport, "_GRACE", 0.3)


# -- surely nothing ------------------------------------------------------------------------------------
def test_a_refused_connection_made_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match="ConnectError"):
        asked(f"http://127.0.0.1:{port}/v1", "create", order())


def test_a_name_that_does_not_resolve_made_nothing() -> None:
    with pytest.raises(Unavailable, match="ConnectError"):
        asked("http://nowhere.invalid/v1", "create", order())


def test_a_connection_that_is_never_taken_made_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", httpx2.Timeout(connect=0.2, read=5, write=5, pool=5))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        try:
            with pytest.raises(Unavailable, match="ConnectTimeout"):
                asked(f"http://127.0.0.1:{address[1]}/v1", "create", order())
        finally:
            for each in waiting:
                each.close()


@pytest.mark.parametrize("act", [
    pytest.param(raw(b"this is no TLS, but a greeting"), id="garbage"), pytest.param(raw(), id="end"),
    pytest.param(reset_once_greeted, id="reset"), pytest.param(silence(3), id="silence"),
])
def test_a_handshake_that_fails_made_nothing(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", httpx2.Timeout(connect=0.3, read=5, write=5, pool=5))
    with taken(act) as port, pytest.raises(Unavailable, match=r"Connect(Error|Timeout)"):
        asked(f"https://127.0.0.1:{port}/v1", "create", order())


def test_a_certificate_that_nobody_vouches_for_made_nothing(own_tls: ssl.SSLContext) -> None:
    heard: list[bytes] = []

    def act(connection: socket.socket) -> None:
        with own_tls.wrap_socket(connection, server_side=True) as shaken:
            heard.append(shaken.recv(1))

    with taken(act) as port, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        asked(f"https://127.0.0.1:{port}/v1", "create", order())
    assert not any(heard)


def test_an_address_that_is_not_public_is_not_dialled() -> None:
    with scripted(answer(job())) as server, pytest.raises(Unavailable, match="is not a public address"), closing(
            OpenAIRemote(Opened(base_url=f"http://localhost:{server.port}/v1"), allow_private=False)) as client:
        client.create(order())
    assert not server.requests


def test_a_connection_that_ended_unnoticed_is_not_used_for_what_acts() -> None:
    once = answer({"data": []})

    def then_ends(connection: socket.socket) -> None:
        once(connection)
        connection.shutdown(socket.SHUT_RDWR)

    with scripted(then_ends, answer(job()), answer(job())) as server, closing(OpenAIRemote(
            Opened(base_url=server.url), allow_private=True)) as client:
        client.models()
        client.create(order())
        client.create(order())
    assert [request.method for request in server.requests] == ["GET", "POST", "POST"]


@pytest.mark.parametrize("status", [429, 425, 421, 301, 307, 308])
def test_a_status_that_says_not_now_or_not_here_made_nothing(status: int) -> None:
    with pytest.raises(Unavailable):
        created(refusal(status))


@pytest.mark.parametrize(("header", "seconds"), [
    ("7", 7.0), ("0", 0.0), ("1.5", 1.5), ("-3", 0.0), ("1e300", 86400.0), ("nan", None), ("inf", None), ("soon", None),
    ("", None), ("9" * 5000, 86400.0), ("Wed, 01 Jan 2020 00:00:00 GMT", 0.0), ("Wed, 99 Jan 2020 00:00:00 GMT", None),
])
def test_how_long_to_wait_is_what_the_server_asks_within_a_day(header: str, seconds: float | None) -> None:
    with pytest.raises(Unavailable) as told:
        created(refusal(429, retry_after=header))
    assert told.value.retry_after == seconds


def test_a_page_of_a_proxy_is_no_word_of_the_server() -> None:
    page = answer(b"<html><h1>404 Not Found</h1></html>", 404, content_type="text/html")
    with pytest.raises(Unavailable, match="Is the base URL right"):
        created(page)
    with pytest.raises(Unavailable, match="Is the base URL right"):
        looked(page)


# -- perhaps something ---------------------------------------------------------------------------------
def test_a_reset_after_the_request_may_have_made_something() -> None:
    with pytest.raises(Ambiguous, match="ReadError"):
        created(reset)


def test_an_end_without_an_answer_may_have_made_something() -> None:
    with pytest.raises(Ambiguous, match="RemoteProtocolError"):
        created(raw())


@pytest.mark.usefixtures("hasty")
def test_silence_after_the_request_may_have_made_something() -> None:
    with pytest.raises(Ambiguous, match="ReadTimeout"):
        created(silence(2))


def test_a_reset_in_the_middle_of_the_request_may_have_made_something() -> None:
    with pytest.raises(Ambiguous), scripted(reset, reads_bodies=False) as server:
        asked(server.url, "create", order(metadata={"note": "x" * 50_000_000}))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408, 300, 302, 303, 304])
def test_a_status_after_which_nobody_knows_may_have_made_something(status: int) -> None:
    with pytest.raises(Ambiguous):
        created(refusal(status))


@pytest.mark.parametrize("act", [
    pytest.param(answer(b""), id="nothing"),
    pytest.param(answer(b"", 204), id="no content"),
    pytest.param(answer(b"<html>Welcome</html>"), id="html"),
    pytest.param(answer(b'{"id": "ftjob-1", "sta'), id="cut JSON"),
    pytest.param(answer(b'{"id": "ftjob-1"}', length=400), id="shorter than claimed"),
    pytest.param(answer(b"[" * 200_000), id="nested deeply"),
    pytest.param(answer(["ftjob-1"]), id="a list"),
    pytest.param(answer({"error": {"message": "no", "code": None}}), id="an error of status 200"),
    pytest.param(answer({"status": "queued"}), id="no id"),
    pytest.param(answer({"id": 7}), id="an id that is a number"),
    pytest.param(answer({"id": "a/../../files/b"}), id="an id with slashes"),
    pytest.param(answer({"id": "a" * 10_000}), id="an id of 10 kB"),
    pytest.param(answer({"id": "ftjob-1\n"}), id="an id with a line's end"),
    pytest.param(answer({"id": "a?b#c"}), id="an id with a query"),
    pytest.param(answer({"id": ".."}), id="an id of dots"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nabcdef"), id="two lengths"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc"), id="a wrong chunk"),
    pytest.param(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), id="another protocol"),
    pytest.param(raw(b"HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n"), id="no known status"),
])
def test_a_yes_that_cannot_be_read_may_have_made_something(act: Act) -> None:
    with pytest.raises(Ambiguous):
        created(act)


def test_an_ambiguous_request_is_sent_once() -> None:
    with scripted(refusal(500, x_should_retry="true")) as server, pytest.raises(Ambiguous):
        asked(server.url, "create", order())
    assert len(server.requests) == 1


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_a_lost_answer_to_a_verb_is_ambiguous_too(verb: str) -> None:
    with scripted(reset) as server, pytest.raises(Ambiguous):
        asked(server.url, verb, JOB_ID)


def test_a_conflict_over_a_key_may_have_made_something() -> None:
    with scripted(refusal(409, "A request with this Idempotency-Key is under way.")) as server, closing(
            CompatibleRemote(Opened(base_url=server.url), allow_private=True)) as client, pytest.raises(Ambiguous):
        client.create(order())


@pytest.mark.parametrize(("of", "told"), [(CompatibleRemote, Ambiguous), (OpenAIRemote, Refused)])
def test_a_key_that_stands_for_other_words_has_made_something_where_keys_are_sent(of: type[OpenAIRemote],
                                                                                 told: type[Exception]) -> None:
    with scripted(refusal(422, code="idempotency_key_reused")) as server, closing(
            of(Opened(base_url=server.url), allow_private=True)) as client, pytest.raises(told):
        client.create(order())


# -- what only reads makes nothing ---------------------------------------------------------------------
@pytest.mark.parametrize("act", [
    pytest.param(reset, id="reset"), pytest.param(raw(), id="end"), pytest.param(refusal(500), id="500"),
    pytest.param(refusal(503), id="503"), pytest.param(refusal(302), id="302"), pytest.param(answer(b"<p>"), id="html"),
    pytest.param(answer({}), id="no id"),
])
def test_a_question_without_an_answer_made_nothing(act: Act) -> None:
    with pytest.raises(Unavailable):
        looked(act)


def test_the_wait_that_a_busy_server_asks_for_is_told_for_questions() -> None:
    with pytest.raises(Unavailable) as told:
        looked(refusal(503, retry_after="11"))
    assert told.value.retry_after == 11


# -- a clear no ----------------------------------------------------------------------------------------
def test_a_refusal_is_told_in_the_servers_words() -> None:
    with pytest.raises(Refused) as told:
        created(refusal(400, "invalid training_file: file-1", param="training_file"))
    assert (told.value.message, told.value.code, told.value.param) == (
        "invalid training_file: file-1", "invalid_request_error", "training_file")


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_a_creation_that_is_told_no_is_refused(status: int) -> None:
    with pytest.raises(Refused, match="No") as told:
        created(refusal(status, code="model_not_available"))
    assert told.value.code == "model_not_available"


@pytest.mark.parametrize("status", [401, 403])
def test_a_closed_door_is_told_apart_from_a_refusal(status: int) -> None:
    with pytest.raises(AccessRefused, match="Incorrect API key"):
        created(refusal(status, "Incorrect API key provided: sk-ca***2b.", code="invalid_api_key"))


@pytest.mark.parametrize(("message", "code"), [
    ("Project has no access to the model.", "model_not_found"),
    ("Your organization can no longer create fine-tuning jobs.", None),
    ("Your organization can no longer do this.", "fine_tuning_unavailable"),
])
def test_a_403_about_the_order_leaves_the_credential_alone(message: str, code: str | None) -> None:
    with pytest.raises(Refused, match=message):
        created(refusal(403, message, code=code))


@pytest.mark.parametrize(("message", "code"), [
    ("You have insufficient permissions for this operation. Missing scopes: api.fine_tuning.jobs.", None),
    ("You have insufficient permissions for this operation.", "missing_scope"),
    ("Access denied due to Virtual Network rules.", "AccessDenied"), ("Forbidden", "403"),
])
def test_a_403_about_the_key_is_told_of_the_credential(message: str, code: str | None) -> None:
    with pytest.raises(AccessRefused, match=message):
        created(refusal(403, message, code=code))


def test_a_question_that_is_forbidden_is_always_about_the_key() -> None:
    with pytest.raises(AccessRefused):
        looked(refusal(403, "No fine-tuning for you.", code="odd"))


def test_a_job_that_the_server_does_not_know_is_gone() -> None:
    with pytest.raises(Gone, match="Could not find fine tune"):
        looked(refusal(404, "Could not find fine tune: ftjob-x", code="fine_tune_not_found", param="fine_tune_id"))


def test_a_redirect_is_not_followed_with_the_key_in_hand() -> None:
    with scripted(answer(job())) as other, pytest.raises(Unavailable, match="redirects are not followed"), scripted(
            answer(b"", 307, location=other.url)) as server:
        asked(server.url, "create", order())
    assert not other.requests


# -- and over TLS --------------------------------------------------------------------------------------
def test_over_tls_jobs_are_made_and_files_arrive_whole(own_tls: ssl.SSLContext, certificate: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(transport, "_tls", lambda: trusting)
    stored = answer({"id": "file-1", "bytes": 3_000_000})
    with scripted(stored, answer(job()), tls=own_tls) as server:
        url = server.url.replace("http:", "https:")
        with closing(OpenAIRemote(Opened(base_url=url), allow_private=True)) as client:
            list(client.upload(Bytes(3_000_000), UploadProgress()))
        asked(url, "create", order())
    assert server.requests[0].body.count(b"x" * 3_000_000) == 1


def test_over_tls_a_reset_after_the_request_is_ambiguous_too(own_tls: ssl.SSLContext, certificate: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(transport, "_tls", lambda: trusting)
    with scripted(reset, tls=own_tls) as server, pytest.raises(Ambiguous):
        asked(server.url.replace("http:", "https:"), "create", order())
