"""What the poller takes out of answers, and that no answer can do more than be unreadable."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.poller import reading
from worker.poller.reading import Unreadable

ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                            st.sampled_from(["id", "status", "data", "has_more", "object"]) | st.text(max_size=3),
                            inner, max_size=5), max_leaves=20)


def listed(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"object": "list", "data": rows, **more}).encode()


def test_a_page_gives_statuses_and_the_last_id_as_its_cursor() -> None:
    page = reading.page(listed({"id": "a", "status": "running", "model": "m"}, {"id": "b", "status": "queued"},
                               has_more=True))
    assert page.statuses == {"a": "running", "b": "queued"}
    assert page.after == "b"


def test_the_last_page_has_no_cursor() -> None:
    assert reading.page(listed({"id": "a", "status": "running"}, has_more=False)).after is None
    assert reading.page(listed(has_more=True)).after is None


@pytest.mark.parametrize("flag", [{}, {"has_more": "yes"}, {"has_more": 7}, {"has_more": None}])
def test_a_page_without_a_usable_flag_goes_on(flag: dict[str, Any]) -> None:
    assert reading.page(listed({"id": "a", "status": "running"}, **flag)).after == "a"


@pytest.mark.parametrize("row", [None, 7, "job", [], {}, {"id": 7}, {"id": ""}, {"id": "x" * 300},
                                 {"status": "queued"}])
def test_rows_that_are_no_jobs_are_left_out(row: Any) -> None:
    page = reading.page(listed(row, {"id": "a", "status": "running"}, row, has_more=False))
    assert page.statuses == {"a": "running"}


@pytest.mark.parametrize("status", [None, 7, "", ["running"], {"is": "running"}, "x" * 65, "a\u0000b", "line\nline",
                                    "\ud800"])
def test_a_status_that_is_no_word_is_none(status: Any) -> None:
    assert reading.page(listed({"id": "a", "status": status})).statuses == {"a": None}
    assert reading.job(json.dumps({"id": "a", "status": status}).encode(), "a") is None


def test_words_that_nobody_knows_are_kept() -> None:
    assert reading.page(listed({"id": "a", "status": "Verklärung"})).statuses == {"a": "Verklärung"}


@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b"7", b"<html>busy</html>", b'{"data": {}}', b'{"data": [', b"\xff\xfe", b'{"error": {}}',
    b"[" * 100_000, b'{"data": ' + b"[" * 100_000, b'{"data": [{"id": ' + b'{"a":' * 50_000,
])
def test_what_is_no_list_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        reading.page(body)


def test_the_answer_for_one_job_must_be_about_that_job() -> None:
    assert reading.job(b'{"id": "a", "status": "running"}', "a") == "running"
    for body in (b'{"id": "b", "status": "running"}', b"[]", b"", b"null", b"<html>", b'{"id": "a"'):
        with pytest.raises(Unreadable):
            reading.job(body, "a")


@given(ANYTHING)
def test_any_json_is_read_or_unreadable(value: Any) -> None:
    body = json.dumps(value).encode()
    with suppress(Unreadable):
        page = reading.page(body)
        assert all(isinstance(key, str) and (word is None or word.isprintable()) for key, word in page.statuses.items())
    with suppress(Unreadable):
        reading.job(body, "a")


@given(st.binary())
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    with suppress(Unreadable):
        reading.page(body)
    with suppress(Unreadable):
        reading.job(body, "a")
