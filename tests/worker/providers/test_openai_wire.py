"""What goes over the wire: orders as each dialect has them, files in bounded memory, lists as they are walked."""

import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.worker.providers.bodies import JOB_ID, SECRET, Bytes, Opened, event, job, listed, order
from tests.worker.providers.scripted import Act, Scripted, answer, refusal, scripted
from worker.providers.azure import files
from worker.providers.azure.remote import AzureRemote
from worker.providers.compatible.remote import CompatibleRemote
from worker.providers.openai import uploads
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.opening import open_remote
from worker.providers.remote import (
    AccessRefused,
    Gone,
    Refused,
    RemoteError,
    RemoteState,
    Unavailable,
    UploadProgress,
)

MiB = 1024 * 1024
FILE = {"object": "file", "id": "file-1", "bytes": 100 * MiB, "created_at": 1, "filename": "train.jsonl",
        "purpose": "fine-tune"}


@contextmanager
def facing(*script: Act, of: type[OpenAIRemote] = OpenAIRemote, path: str = "/v1", provider: str = "openai",
           **options: str) -> Iterator[tuple[OpenAIRemote, Scripted]]:
    with scripted(*script) as server:
        credential = Opened(provider=provider, base_url=f"http://127.0.0.1:{server.port}{path}", options=dict(options))
        with closing(of(credential, allow_private=True)) as client:
            yield client, server


# -- orders --------------------------------------------------------------------------------------------
def test_an_order_says_what_was_asked_and_no_more() -> None:
    with facing(answer(job())) as (client, server):
        client.create(order())
    sent = server.requests[0]
    assert (sent.method, sent.path) == ("POST", "/v1/fine_tuning/jobs")
    assert sent.headers["authorization"] == f"Bearer {SECRET}"
    assert sent.json == {
        "model": "gpt-4o-mini-2024-07-18", "training_file": "file-1", "seed": 42,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
        "metadata": {"team": "red", "tuneworks_key": "key-1", "tuneworks_house": "org_1"}}
    assert "idempotency-key" not in sent.headers


def test_everything_optional_arrives_as_it_is() -> None:
    grader = {"type": "multi", "graders": {"a": {"type": "python", "source": "x" * 1000, "odd": None}}}
    method = {"type": "reinforcement", "reinforcement": {"grader": grader, "response_format": {"type": "json_schema"},
                                                         "hyperparameters": {"compute_multiplier": 0.5}}}
    with facing(answer(job())) as (client, server):
        client.create(order(method=method, validation_file="file-2", suffix="mine"))
    sent = server.requests[0].json
    assert (sent["method"], sent["validation_file"], sent["suffix"]) == (method, "file-2", "mine")


def test_a_callers_pairs_never_push_out_ours() -> None:
    pairs = {f"k{number}": "v" for number in range(16)} | {"tuneworks_key": "forged", "tuneworks_house": "forged"}
    with facing(answer(job())) as (client, server):
        client.create(order(metadata=pairs))
    sent = server.requests[0].json["metadata"]
    assert (len(sent), sent["tuneworks_key"], sent["tuneworks_house"]) == (16, "key-1", "org_1")


def test_a_compatible_server_is_told_the_key_as_an_idempotency_key() -> None:
    with facing(answer(job()), of=CompatibleRemote, path="/some/where/v1") as (client, server):
        client.create(order())
    assert (server.requests[0].path, server.requests[0].headers["idempotency-key"]) == (
        "/some/where/v1/fine_tuning/jobs", "key-1")


@pytest.mark.parametrize(("path", "options", "asked"), [
    ("", {}, "/openai/fine_tuning/jobs?api-version=2025-04-01-preview"),
    ("/", {"api_version": "2024-10-21"}, "/openai/fine_tuning/jobs?api-version=2024-10-21"),
    ("/openai/v1/", {"api_version": "v1"}, "/openai/v1/fine_tuning/jobs?api-version=v1"),
    ("/openai", {"api_version": "preview"}, "/openai/v1/fine_tuning/jobs?api-version=preview"),
])
def test_azure_is_asked_at_its_own_doors(path: str, options: dict[str, str], asked: str) -> None:
    with facing(answer(job()), of=AzureRemote, path=path, **options) as (client, server):
        client.create(order())
    sent = server.requests[0]
    assert (sent.path, sent.headers["api-key"], "authorization" in sent.headers) == (asked, SECRET, False)


@pytest.mark.parametrize(("of", "told"), [
    (OpenAIRemote, {"openai-organization": "org-them", "openai-project": "proj_them"}), (CompatibleRemote, {})])
def test_openai_is_told_whose_account_is_meant(of: type[OpenAIRemote], told: dict[str, str]) -> None:
    provider = "openai" if of is OpenAIRemote else "compatible"
    with facing(answer(job()), of=of, provider=provider, organization="org-them", project="proj_them") as (
            client, server):
        client.create(order())
    sent = server.requests[0].headers
    assert {name: sent[name] for name in sent if name in {"openai-organization", "openai-project"}} == told


def test_jobs_are_looked_for_by_our_pair_of_metadata() -> None:
    with facing(answer(listed(job()))) as (client, server):
        assert [found.id for found in client.find("key-1")] == [JOB_ID]
    assert server.requests[0].path == "/v1/fine_tuning/jobs?limit=100&metadata%5Btuneworks_key%5D=key-1"


def test_jobs_of_other_keys_in_the_answer_are_none_of_ours() -> None:
    with facing(answer(listed(job(metadata={"tuneworks_key": "key-2"}), job(metadata=None), job(metadata=[])))) as (
            client, _):
        assert client.find("key-1") == ()


def test_not_found_is_not_said_of_a_list_without_end() -> None:
    pages = iter(range(1000))

    def act(connection: object) -> None:
        other = job(id=f"ftjob-{next(pages)}", metadata=None)
        answer(listed(other, more=True))(connection)  # type: ignore[arg-type]

    with facing(act) as (client, server), pytest.raises(Unavailable, match="goes on"):
        client.find("key-1")
    assert len(server.requests) == 50


# -- lists ---------------------------------------------------------------------------------------------
def test_a_log_is_read_until_the_line_that_is_known() -> None:
    pages = [answer(listed(*(event(number) for number in numbers), more=True)) for numbers in ((9, 8, 7), (6, 5, 4))]
    with facing(*pages) as (client, server):
        assert [each.id for each in client.events(JOB_ID, until="ftevent-5")] == [f"ftevent-{n}" for n in (6, 7, 8, 9)]
    assert [request.path.partition("?")[2] for request in server.requests] == ["limit=100", "after=ftevent-7&limit=100"]


def test_lines_without_ids_get_the_same_ids_each_time() -> None:
    page = answer(listed(event(2, id=None), event(1, id=None)))
    with facing(page) as (client, _):
        first = client.events(JOB_ID, until=None)
        assert client.events(JOB_ID, until=first[0].id) == first[1:]
    assert len({each.id for each in first}) == 2


def test_a_server_of_smaller_pages_is_asked_for_its_own_size_from_then_on() -> None:
    refused = refusal(400, "Invalid 'limit': integer above maximum value.", param="limit")
    with facing(refused, answer(listed(event(2), more=True)), answer(listed(event(1)))) as (client, server):
        assert len(client.events(JOB_ID, until=None)) == 2
    assert [request.path.partition("?")[2] for request in server.requests] == ["limit=100", "", "after=ftevent-2"]


@pytest.mark.parametrize(("body", "after"), [
    ({"data": [job()], "has_more": True}, JOB_ID), ({"data": [job()], "has_more": False}, None),
    ({"data": [job()]}, JOB_ID), ({"data": [job()], "has_more": "yes"}, JOB_ID), ({"data": [], "has_more": True}, None),
])
def test_where_a_list_goes_on_is_read_from_its_last_item(body: dict[str, object], after: str | None) -> None:
    with facing(answer(body)) as (client, _):
        assert client.jobs(limit=1).after == after


# -- words ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("word", "state"), [
    ("validating_files", RemoteState.WAITING), ("queued", RemoteState.WAITING), ("pending", RemoteState.WAITING),
    ("running", RemoteState.RUNNING), ("paused", RemoteState.PAUSED), ("pausing", RemoteState.RUNNING),
    ("succeeded", RemoteState.SUCCEEDED), ("completed", RemoteState.SUCCEEDED), ("failed", RemoteState.FAILED),
    ("cancelled", RemoteState.CANCELLED), ("canceled", RemoteState.CANCELLED), ("dreaming", RemoteState.UNKNOWN),
])
def test_words_for_a_status_come_to_states(word: str, state: RemoteState) -> None:
    with facing(answer(job(status=word))) as (client, _):
        found = client.retrieve(JOB_ID)
    assert (found.status, found.state) == (word, state)


def test_hyperparameters_are_found_in_the_method_where_the_old_place_is_empty() -> None:
    body = job(hyperparameters=None, method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}})
    with facing(answer(body)) as (client, _):
        assert client.retrieve(JOB_ID).hyperparameters == {"beta": 0.1}


@pytest.mark.parametrize(("error", "told"), [
    ({}, None), (None, None), ({"code": None, "message": None, "param": None}, None),
    ({"code": "x", "message": "y", "param": None}, {"code": "x", "message": "y", "param": None}),
    ("y", {"code": None, "message": "y", "param": None}),
])
def test_an_empty_error_is_none(error: object, told: object) -> None:
    with facing(answer(job(error=error))) as (client, _):
        assert client.retrieve(JOB_ID).error == told


# -- files ---------------------------------------------------------------------------------------------
def test_a_file_is_sent_in_bounded_memory_with_its_length() -> None:
    source = Bytes(100 * MiB)
    with facing(answer(FILE)) as (client, server):
        server.keeps_bodies = False
        tracemalloc.start()
        steps = list(client.upload(source, UploadProgress()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert steps == [UploadProgress(file_id="file-1")]
    assert 100 * MiB < int(server.requests[0].headers["content-length"]) < 101 * MiB
    assert "transfer-encoding" not in server.requests[0].headers
    assert peak < 16 * MiB


def test_a_file_of_which_the_server_has_other_bytes_is_refused() -> None:
    with facing(answer(FILE | {"bytes": 7})) as (client, _), pytest.raises(Refused, match="stored 7 of the 8 bytes"):
        list(client.upload(Bytes(8), UploadProgress()))


def test_a_name_with_quotes_and_line_ends_stays_a_name() -> None:
    source = Bytes(3, filename='a"; name="purpose"\r\nx: "ü.jsonl')
    with facing(answer(FILE | {"bytes": 3})) as (client, server):
        list(client.upload(source, UploadProgress()))
    head = server.requests[0].body.split(b"xxx")[0]
    assert head.count(b'name="purpose"') == 1
    assert b"\r\nx: " not in head


def test_a_source_that_fails_is_told_as_it_failed() -> None:
    class Broken(Bytes):
        def read(self, start: int = 0) -> Iterator[bytes]:
            yield b"x"[start:]
            raise FileNotFoundError("the object is gone")

    with facing(answer(FILE)) as (client, _), pytest.raises(FileNotFoundError, match="the object is gone"):
        list(client.upload(Broken(10), UploadProgress()))


def test_parts_are_sent_in_bounded_memory_and_completed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WHOLE_BYTES", 10 * MiB)
    script = [answer({"id": "upload_1", "status": "pending"}), answer({"id": "part_1"}), answer({"id": "part_2"}),
              answer({"id": "upload_1", "status": "completed", "file": FILE})]
    with facing(*script) as (client, server):
        server.keeps_bodies = False
        tracemalloc.start()
        steps = list(client.upload(Bytes(100 * MiB), UploadProgress()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert steps == [UploadProgress("upload_1"), UploadProgress("upload_1", ("part_1",)),
                     UploadProgress("upload_1", ("part_1", "part_2")),
                     UploadProgress("upload_1", ("part_1", "part_2"), "file-1")]
    assert server.requests[0].json == {"bytes": 100 * MiB, "filename": "train.jsonl", "mime_type": "application/jsonl",
                                       "purpose": "fine-tune"}
    assert server.requests[3].json == {"part_ids": ["part_1", "part_2"]}
    assert peak < 16 * MiB


def test_a_part_that_is_refused_in_a_young_upload_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WHOLE_BYTES", 10)
    with facing(answer({"id": "upload_1"}), refusal(400, "Too large.")) as (client, server), pytest.raises(Refused):
        list(client.upload(Bytes(100), UploadProgress()))
    assert len(server.requests) == 2


def test_a_part_that_is_refused_in_an_old_upload_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WHOLE_BYTES", 10)
    monkeypatch.setattr(uploads, "_LIFETIME", 0)
    with facing(answer({"id": "upload_1"}), refusal(400, "Expired.")) as (client, _), pytest.raises(Unavailable):
        list(client.upload(Bytes(100), UploadProgress()))


def test_a_download_comes_as_it_is() -> None:
    with facing(answer(b"c3RlcCxsb3Nz\n" * 100_000, content_type="application/octet-stream")) as (client, _):
        assert b"".join(client.content("file-1")) == b"c3RlcCxsb3Nz\n" * 100_000


def test_a_file_can_be_passed_on_from_one_download_into_an_upload_of_the_same_server() -> None:
    class Passed(Bytes):
        def read(self, start: int = 0) -> Iterator[bytes]:
            assert start == 0
            return client.content("file-0")

    with facing(answer(b"x" * 3_000_000), answer(FILE | {"bytes": 3_000_000})) as (client, server):
        list(client.upload(Passed(3_000_000), UploadProgress()))
    assert server.requests[1].body.count(b"x" * 3_000_000) == 1


def test_a_file_that_is_gone_is_told_before_the_first_byte() -> None:
    with facing(refusal(404, "No such File object: file-1", param="id")) as (client, _), pytest.raises(Gone):
        next(client.content("file-1"))


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PAUSES", (0.0, 0.0))


SMALL = FILE | {"bytes": 3}


@pytest.mark.usefixtures("quick_looks")
def test_azure_has_looked_at_a_file_before_it_counts_as_sent() -> None:
    looks = [answer(SMALL | {"status": status}) for status in ("pending", "pending", "running", "processed")]
    with facing(*looks, of=AzureRemote, path="") as (client, server):
        steps = list(client.upload(Bytes(3), UploadProgress()))
    assert steps == [UploadProgress("file-1"), UploadProgress(file_id="file-1")]
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]


@pytest.mark.usefixtures("quick_looks")
def test_a_file_that_azure_looks_at_for_long_is_not_sent_again() -> None:
    with facing(answer(SMALL | {"status": "pending"}), of=AzureRemote, path="") as (client, server):
        begun = client.upload(Bytes(3), UploadProgress())
        recorded = next(begun)
        with pytest.raises(Unavailable, match="still looking"):
            next(begun)
        server.script[:] = [answer(SMALL | {"status": "processed"})]
        assert list(client.upload(Bytes(3), recorded)) == [UploadProgress(file_id="file-1")]
    assert [request.method for request in server.requests].count("POST") == 1


def test_a_file_that_azure_finds_wrong_is_refused_in_its_words() -> None:
    bad = answer(SMALL | {"status": "error", "status_details": "Line 3 is no JSON."})
    with facing(bad, of=AzureRemote, path="") as (client, _), pytest.raises(Refused, match="Line 3"):
        list(client.upload(Bytes(3), UploadProgress()))


# -- opening -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("provider", "base_url", "why"), [
    ("compatible", None, "names no base URL"), ("azure", None, "names no base URL"),
    ("openai", "http://example.com/v1", "must begin with https"), ("compatible", "https://10.0.0.1/v1", "not a public"),
    ("azure", "https://user:word@example.com", "user name or password"),
])
def test_a_base_url_that_must_not_be_asked_is_not(provider: str, base_url: str | None, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        open_remote(Opened(provider=provider, base_url=base_url))


@settings(max_examples=150, deadline=None)
@given(tail=some.text(min_size=1, max_size=40) | some.sampled_from(["xn--.com", "a..b", "[::1", "a:99999", "é.com/%z"]))
def test_no_base_url_raises_anything_else(tail: str) -> None:
    with suppress(RemoteError):
        open_remote(Opened(provider="compatible", base_url=f"https://{tail}")).close()


@pytest.mark.parametrize(("provider", "kind"), [("openai", OpenAIRemote), ("azure", AzureRemote),
                                                ("compatible", CompatibleRemote)])
def test_each_provider_has_its_client(provider: str, kind: type[OpenAIRemote]) -> None:
    with closing(open_remote(Opened(provider=provider, base_url="https://example.com"))) as client:
        assert type(client) is kind


def test_a_models_list_without_a_filter_is_the_check() -> None:
    listed_models = [{"id": "gpt-4o", "created": 1686588896, "owned_by": "system", "shutdown_date": "2027-01-14"},
                     {"id": "odd", "shutdown_date": "soon"}]
    models = {"object": "list", "data": listed_models}
    with facing(answer(models)) as (client, _):
        assert [(each.id, each.shutdown_date) for each in client.check()] == [("gpt-4o", "2027-01-14"), ("odd", None)]
    with facing(refusal(404, "Unknown request URL")) as (client, _), pytest.raises(Unavailable, match="Unknown"):
        client.check()
    with facing(refusal(400, "Not so.")) as (client, _), pytest.raises(Unavailable, match="does not list its models"):
        client.check()
    with facing(refusal(401)) as (client, _), pytest.raises(AccessRefused):
        client.check()
