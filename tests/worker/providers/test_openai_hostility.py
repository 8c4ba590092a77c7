"""Answers of a server that means harm, or lost its mind: only errors of the seam come out, and memory is bounded."""

import io
import json
import logging
import traceback
import tracemalloc
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.worker.providers.bodies import JOB_ID, SECRET, Opened, event, job, listed, order
from tests.worker.providers.scripted import Act, Scripted, answer, endless, raw, refusal, scripted
from worker.providers.openai import transport
from worker.providers.openai.answers import Answers, Unreadable
from worker.providers.openai.reading import checkpoint, file, model
from worker.providers.openai.reading import event as read_event
from worker.providers.openai.reading import job as read_job
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.opening import open_remote
from worker.providers.remote import AccessRefused, Ambiguous, RemoteError, RemoteState, Unavailable

MiB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = Answers(SECRET)


@contextmanager
def facing(*script: Act) -> Iterator[tuple[OpenAIRemote, Scripted]]:
    with scripted(*script) as server, closing(OpenAIRemote(Opened(base_url=server.url), allow_private=True)) as client:
        yield client, server


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Bytes that Python held at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


# -- size and time -------------------------------------------------------------------------------------
@pytest.mark.parametrize("head", [
    pytest.param(OK + b"\r\n", id="until the end"),
    pytest.param(OK + b"content-length: 900000000000\r\n\r\n", id="of a length beyond reason"),
])
def test_an_endless_answer_is_left_when_it_is_too_long(head: bytes, peak: Callable[[], int]) -> None:
    with facing(endless(head, b" " * MiB)) as (client, _), pytest.raises(Ambiguous, match="too long"):
        client.create(order())
    assert peak() < 64 * MiB


def test_endless_chunks_are_left_too(peak: Callable[[], int]) -> None:
    act = endless(OK + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    with facing(act) as (client, _), pytest.raises(Unavailable, match="too long"):
        client.jobs()
    assert peak() < 64 * MiB


@pytest.mark.parametrize("act", [
    pytest.param(endless(OK, b"x-more: and more\r\n" * 1000), id="headers"),
    pytest.param(endless(OK + b"x-long: ", b"a" * 10_000), id="one header"),
    pytest.param(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), id="news that it goes on"),
])
def test_an_answer_whose_head_never_ends_is_left(act: Act, peak: Callable[[], int]) -> None:
    with facing(act) as (client, _), pytest.raises(Ambiguous):
        client.create(order())
    assert peak() < 64 * MiB


@pytest.mark.parametrize("act", [
    pytest.param(endless(b"", b"H", 0.05), id="head"), pytest.param(endless(OK + b"\r\n", b"{", 0.05), id="body"),
])
def test_an_answer_that_drips_is_left_when_its_time_is_over(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_GRACE", 0.5)
    monkeypatch.setattr("worker.providers.openai.network._SLOWEST", 1e9)
    with facing(act) as (client, _), pytest.raises(Ambiguous):
        client.create(order())


def test_of_an_endless_error_the_beginning_is_read(peak: Callable[[], int]) -> None:
    with facing(endless(b"HTTP/1.1 400 No\r\n\r\n", b"<p>" * 100_000)) as (client, _), pytest.raises(Unavailable):
        client.create(order())
    assert peak() < 32 * MiB


def test_a_packed_answer_is_not_unpacked(peak: Callable[[], int]) -> None:
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(b" " * MiB) for _ in range(200)) + packer.flush()
    act = answer(bomb, content_encoding="gzip")
    with facing(act) as (client, server), pytest.raises(Unavailable, match="not JSON"):
        client.jobs()
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert peak() < 64 * MiB


@pytest.mark.parametrize("body", [
    pytest.param(b"[" + b"[]," * (5 * MiB) + b"[]]", id="lists"), pytest.param(b"{}," * (5 * MiB), id="objects"),
    pytest.param(b"[" + b"0," * (7 * MiB) + b"0]", id="numbers"),
])
def test_an_answer_of_very_many_parts_is_not_parsed(body: bytes, peak: Callable[[], int]) -> None:
    with facing(answer(body)) as (client, _), pytest.raises(Unavailable, match="too many parts"):
        client.jobs()
    assert peak() < 64 * MiB


def test_a_download_streams_and_ends_at_a_size(monkeypatch: pytest.MonkeyPatch, peak: Callable[[], int]) -> None:
    monkeypatch.setattr(transport, "LARGEST_CONTENT", 64 * MiB)
    got = 0
    with facing(endless(OK + b"\r\n", b"x" * MiB)) as (client, _):
        chunks = client.content("file-1")
        while got < 63 * MiB:
            got += len(next(chunks))
        with pytest.raises(Unavailable, match="ReadError"):
            deque(chunks, maxlen=0)
    assert peak() < 16 * MiB


def test_a_download_that_breaks_off_is_not_taken_for_whole() -> None:
    with facing(answer(b"step,loss\n1,2\n", length=4000)) as (client, _), pytest.raises(Unavailable):
        list(client.content("file-1"))


def test_a_list_that_never_ends_is_left() -> None:
    pages = iter(range(10_000))

    def act(connection: Any) -> None:
        number = next(pages)
        answer(listed(*(event(number * 2 + each) for each in range(2)), more=True))(connection)

    with facing(act) as (client, server):
        assert len(client.events(JOB_ID, until=None)) == 100
    assert len(server.requests) == 50


def test_a_list_of_huge_pages_is_left_sooner(peak: Callable[[], int]) -> None:
    pages = iter(range(10_000))

    def act(connection: Any) -> None:
        answer(listed(event(next(pages), data={"x": "y" * 8_000_000}), more=True))(connection)

    with facing(act) as (client, server):
        assert all(len(str(each.data)) < 70_000 for each in client.events(JOB_ID, until=None))
    assert len(server.requests) == 5
    assert peak() < 128 * MiB


def test_a_list_that_goes_on_nowhere_is_an_error() -> None:
    stuck = answer(listed(event(1), more=True))
    with facing(stuck) as (client, server), pytest.raises(Unavailable, match="not where"):
        client.events(JOB_ID, until=None)
    assert len(server.requests) == 2


# -- values --------------------------------------------------------------------------------------------
def test_what_postgres_cannot_hold_is_replaced() -> None:
    odd = r"""{"id": "ftjob-1", "status": "ru\u0000n", "error": {"message": "\ud800 and \udc00"}, "n": NaN,
        "m": Infinity, "big": NINES, "huge": 1e999, "k\u0000": "\ud83d\ude00", "deep": DEEP}"""
    odd = odd.replace("NINES", "9" * 4000).replace("DEEP", "[" * 200 + "]" * 200)
    with facing(answer(odd.encode())) as (client, _):
        found = client.retrieve("ftjob-1")
    stored = json.dumps(found.body, ensure_ascii=False, allow_nan=False).encode().decode()
    assert "\\u0000" not in stored
    assert found.status == "ru\ufffdn"
    assert found.state is RemoteState.UNKNOWN
    assert found.error == {"code": None, "message": "? and ?", "param": None}
    assert found.body["k\ufffd"] == "😀"
    assert (found.body["n"], found.body["m"], found.body["big"], found.body["huge"]) == (None,) * 4


def test_a_job_of_megabytes_is_cut_to_what_may_be_stored() -> None:
    body = job(grader="x" * 4_000_000) | {f"extra-{number}": list(range(100)) for number in range(2000)}
    with facing(answer(body)) as (client, _):
        found = client.retrieve(JOB_ID)
    assert len(json.dumps(found.body)) < 2 * MiB
    assert found.id == JOB_ID


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=8)
_FIELDS = some.sampled_from([*job(), *event(1), "fine_tuned_model_checkpoint", "step_number", "metrics", "filename",
                             "bytes", "purpose", "created", "owned_by", "shutdown_date"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=some.dictionaries(_FIELDS, _JSON, max_size=6))
def test_no_field_of_any_type_breaks_the_reading(changes: dict[str, Any]) -> None:
    raw_thing = job() | event(1) | {"fine_tuned_model_checkpoint": "ft:x", "step_number": 1, "bytes": 1} | changes
    parsed = ANSWERS.parsed(json.dumps(raw_thing).encode())
    for reader in (read_job, read_event, checkpoint, file, model):
        found = reader(parsed, ANSWERS)
        if found is not None:
            text = json.dumps(getattr(found, "body", {}), allow_nan=False, ensure_ascii=False)
            assert "\x00" not in text.encode().decode()


@settings(max_examples=200, deadline=None)
@given(body=some.binary(max_size=300) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(ANSWERS.parsed(body), dict)


@pytest.mark.parametrize("data", [None, 7, {"a": 1}, "text"])
def test_a_list_that_is_none_is_an_error(data: Any) -> None:
    with facing(answer({"object": "list", "data": data})) as (client, _), pytest.raises(Unavailable, match="no list"):
        client.find("key-1")


def test_items_that_are_no_things_are_left_out() -> None:
    odd: list[Any] = [None, 7, "text", [], {}, {"id": None}, {"id": "../x"}, {"id": "a" * 300}, job()]
    with facing(answer(listed(*odd))) as (client, _):
        assert [found.id for found in client.jobs().items] == [JOB_ID]


@pytest.mark.parametrize("odd", ["", "..", "a/b", "a?b", "a#b", "a" * 10_000, "a\r\nx-evil: 1", "a\x00b", "ä"])
def test_an_id_that_no_server_gives_goes_into_no_path(odd: str) -> None:
    with facing(answer(job())) as (client, server):
        for ask in (client.retrieve, client.cancel, client.checkpoints, lambda each: list(client.content(each)),
                    lambda each: client.events(each, until=None)):
            with pytest.raises(RemoteError):
                ask(odd)
    assert not server.requests


# -- the secret ----------------------------------------------------------------------------------------
def test_a_secret_that_the_server_repeats_is_blanked_wherever_it_comes_out() -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in SECRET).encode()
    echo = json.dumps(job(**{SECRET: SECRET, "error": {"message": f"Bearer {SECRET}", "code": SECRET}})).encode()
    echo = echo.replace(b'"seed"', b'"' + escaped + b'": "' + escaped + b'", "seed"')
    with facing(answer(echo)) as (client, _):
        assert SECRET not in repr(client.retrieve(JOB_ID))
    with facing(answer(listed(event(1, message=f"x {SECRET}", data={"k": [SECRET]})))) as (client, _):
        assert SECRET not in repr(client.events(JOB_ID, until=None))


@pytest.mark.parametrize("act", [
    pytest.param(refusal(400, f"No: {SECRET}", code=SECRET, param=SECRET), id="refused"),
    pytest.param(refusal(401, f"Incorrect API key provided: {SECRET}"), id="closed"),
    pytest.param(refusal(404, SECRET), id="gone"), pytest.param(refusal(429, SECRET), id="busy"),
    pytest.param(refusal(500, SECRET), id="broken"), pytest.param(raw(f"HTTP/1.1 {SECRET}\r\n".encode()), id="no HTTP"),
    pytest.param(answer({"error": SECRET}, 400), id="a text for an error"),
    pytest.param(raw(OK + f"x: {SECRET}\r\ncontent-length: {SECRET}\r\n\r\n".encode()), id="a header"),
])
def test_no_error_and_no_log_line_tells_the_secret(act: Act, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(act) as server:
        _opened_as_jobs_open(server.url)
        with closing(OpenAIRemote(Opened(base_url=server.url), allow_private=True)) as client, pytest.raises(
                RemoteError) as told:
            client.cancel(JOB_ID)
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    whole = io.StringIO()
    traceback.print_exception(told.value, file=whole)
    assert SECRET not in whole.getvalue() + caplog.text + repr(vars(told.value)) + repr(client)


def _opened_as_jobs_open(url: str) -> None:
    with pytest.raises((Unavailable, AccessRefused)):
        open_remote(Opened(base_url=url))


@pytest.mark.parametrize("secret", ["", "sk with space", "sk-\n", "sk-ä", "sk-\x7f"])
def test_a_secret_that_no_header_can_carry_is_told_without_it(secret: str) -> None:
    with pytest.raises(AccessRefused) as told:
        open_remote(Opened(secret=secret))
    assert not secret or secret not in str(told.value)


def test_what_the_environment_says_goes_to_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"OPENAI_ORG_ID": "org-operator", "OPENAI_PROJECT_ID": "proj-operator",
                        "OPENAI_API_KEY": "sk-operator",
                        "OPENAI_CUSTOM_HEADERS": "x-operator: 1\nAuthorization: Bearer sk-operator",
                        "OPENAI_BASE_URL": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    with facing(answer(job())) as (client, server):
        client.create(order())
    sent = server.requests[0].headers
    assert sent["authorization"] == f"Bearer {SECRET}"
    assert set(sent) == {"host", "accept", "content-type", "user-agent", "authorization", "content-length",
                         "accept-encoding"}
