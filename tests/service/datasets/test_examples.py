"""The examples of a file over HTTP: all of them, in numbers, and nobody else's."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from service.datasets.analysis import listing
from service.datasets.analysis.rows import all_rows
from service.datasets.operations import columns_key
from service.kit.database import transaction
from service.kit.storage import ObjectStore, StorageUnavailable, storage
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import analysed, different
from tests.service.files.chats import line, lines
from tests.worker.tasks.running import work_off

SECRET = "my key is sk-proj-Zx81kLmQ93pTvB27WyRs64NcDf05GhJq8aUe"  # noqa: S105 - nobody's


def chat(user: str) -> bytes:
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": "Noted, and thank you very much."}]
    return json.dumps({"messages": messages}).encode() + b"\n"


DATA = different(8) + b"\n" + line(x=1) + chat(SECRET) + different(3, start=90) + chat("many words " * 60) * 2


@pytest.fixture
def file_id(tenant: Tenant) -> str:
    """A file that a worker has read."""
    return uploaded(tenant, DATA)


def uploaded(tenant: Tenant, data: bytes, *, read: bool = True) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", data)}, data={"purpose": "fine-tune"})
    if read:
        work_off(tenant)
    identifier: str = answer.json()["id"]
    return identifier


def get(tenant: Tenant, file_id: str, **query: Any) -> dict[str, Any]:
    answer = tenant.client.get(f"/v1/files/{file_id}/validation/examples", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def listed(tenant: Tenant, file_id: str, **query: Any) -> list[int]:
    return [row["line"] for row in get(tenant, file_id, **query)["data"]]


def refused(tenant: Tenant, file_id: str, **query: Any) -> tuple[int, str | None, str | None]:
    answer = tenant.client.get(f"/v1/files/{file_id}/validation/examples", params=query)
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"]


class TestRows:
    def test_there_is_one_for_each_example_and_none_for_bad_lines(self, tenant: Tenant, file_id: str) -> None:
        page = get(tenant, file_id)
        rows = page["data"]
        assert [row["line"] for row in rows] == [*range(1, 9), *range(11, 17)]
        assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", "1", "16", False)
        assert rows == list(all_rows(analysed(DATA).columns, context=None))
        for row in rows:
            assert DATA[row["offset"]:row["offset"] + row["bytes"]] == DATA.split(b"\n")[row["line"] - 1]
        [secret] = [row for row in rows if row["line"] == 11]
        assert (secret["flags"][0], secret["object"]) == ("secret", "file.validation.example")

    def test_their_sums_are_the_reports(self, tenant: Tenant, file_id: str) -> None:
        rows = get(tenant, file_id)["data"]
        report = tenant.client.get(f"/v1/files/{file_id}/validation").json()
        assert sum(row["tokens"] for row in rows) == report["tokens"]["billed"]
        assert sum(row["trainable_tokens"] for row in rows) == report["tokens"]["trainable"]
        assert len(rows) == report["examples"]

    def test_what_is_beyond_a_context_is_told(self, tenant: Tenant, file_id: str) -> None:
        rows = get(tenant, file_id)["data"]
        context = rows[-1]["tokens"] - 7
        assert [row["over"] for row in get(tenant, file_id, context=context)["data"]] == \
            [max(0, row["tokens"] - context) for row in rows]
        assert rows[-1]["over"] is None
        longer = get(tenant, file_id, context=context, min_tokens=context + 1)["data"]
        assert [(row["line"], row["over"]) for row in longer] == [(15, 7), (16, 7)]

    def test_a_version_of_a_data_set_has_them_under_its_file(self, tenant: Tenant, file_id: str) -> None:
        dataset = tenant.client.post("/v1/datasets", json={"name": "faq"}).json()["id"]
        made = tenant.client.post(f"/v1/datasets/{dataset}/versions",
                                  json={"source": {"type": "file", "file_id": file_id}}).json()
        while work_off(tenant):
            pass
        version = tenant.client.get(f"/v1/datasets/{dataset}/versions/{made['id']}").json()
        assert get(tenant, version["file_id"])["data"] == get(tenant, file_id)["data"]


class TestFilters:
    def test_by_flag(self, tenant: Tenant, file_id: str) -> None:
        assert listed(tenant, file_id, flag="secret") == [11]
        assert listed(tenant, file_id, flag="exact_duplicate") == [16]
        assert listed(tenant, file_id, flag="leaked") == []

    def test_by_line_and_length(self, tenant: Tenant, file_id: str) -> None:
        assert listed(tenant, file_id, from_line=7, to_line=11) == [7, 8, 11]
        assert listed(tenant, file_id, from_line=9, to_line=10) == listed(tenant, file_id, from_line=12, to_line=3) == []
        assert listed(tenant, file_id, min_tokens=100, from_line=16) == [16]
        assert listed(tenant, file_id, min_tokens=2**40) == []

    def test_the_most_suspicious_or_the_longest_come_first(self, tenant: Tenant, file_id: str) -> None:
        rows = get(tenant, file_id)["data"]
        for order in ("suspicion", "tokens"):
            wanted = sorted(rows, key=lambda row: (-row[order], row["line"]))
            assert get(tenant, file_id, order=order)["data"] == wanted
        assert listed(tenant, file_id, order="suspicion", limit=1) == [11]
        assert listed(tenant, file_id, order="tokens", flag="secret") == [11]

    @pytest.mark.parametrize("query", [
        {"flag": "bad"}, {"flag": "SECRET"}, {"flag": ""}, {"min_tokens": -1}, {"min_tokens": 2**70}, {"from_line": 0},
        {"to_line": "x"}, {"order": "offset"}, {"limit": 0}, {"limit": 1001}, {"context": 0}, {"context": 2**60},
        {"context": "nan"}])
    def test_senseless_ones_are_refused(self, tenant: Tenant, file_id: str, query: dict[str, Any]) -> None:
        [name] = query
        assert refused(tenant, file_id, **query)[:2] == (400, name)


class TestPages:
    @pytest.mark.parametrize("query", [{}, {"order": "suspicion"}, {"order": "tokens"}, {"min_tokens": 40}])
    def test_they_follow_each_other_without_gaps(self, tenant: Tenant, file_id: str, query: dict[str, Any]) -> None:
        everything, walked, cursor = get(tenant, file_id, **query)["data"], [], {}
        assert everything
        for at in range(0, len(everything), 3):
            page = get(tenant, file_id, limit=3, **cursor, **query)
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            assert page["has_more"] is (at + 3 < len(everything))
            walked += page["data"]
            cursor = {"after": page["last_id"]}
        assert walked == everything
        assert get(tenant, file_id, **cursor, **query)["data"] == []

    def test_an_empty_page_tells_where_to_go_on(self, tenant: Tenant, file_id: str,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "MOST_ROWS", 5)
        page = get(tenant, file_id, flag="exact_duplicate")
        assert page == {"object": "list", "data": [], "first_id": None, "last_id": "5", "has_more": True}
        for line_number in ("12", "16"):
            page = get(tenant, file_id, flag="exact_duplicate", after=page["last_id"])
            assert page["last_id"] == line_number
        assert (page["data"][0]["line"], page["has_more"]) == (16, False)

    def test_too_many_are_not_sorted(self, tenant: Tenant, file_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "MOST_ROWS", 5)
        assert refused(tenant, file_id, order="tokens") == (400, "order", "too_many_to_sort")
        assert listed(tenant, file_id, order="tokens", from_line=15) == [15, 16]

    @pytest.mark.parametrize("after", ["file-abc", "0", "-1", "1.5", "01", "９", " 1", "1" * 14, "1\n"])
    def test_only_a_line_is_a_cursor(self, tenant: Tenant, file_id: str, after: str) -> None:
        assert refused(tenant, file_id, after=after)[:2] == (400, "after")
        assert refused(tenant, uploaded(tenant, lines(1), read=False), after=after)[:2] == (400, "after")

    def test_a_sorted_list_goes_on_only_after_an_example(self, tenant: Tenant, file_id: str) -> None:
        assert refused(tenant, file_id, after="9", order="tokens")[:2] == (400, "after")
        assert listed(tenant, file_id, after="9") == listed(tenant, file_id, from_line=10)


class TestOtherFiles:
    def test_one_that_is_not_read_has_none_yet(self, tenant: Tenant) -> None:
        page = get(tenant, uploaded(tenant, lines(), read=False), order="tokens", flag="secret")
        assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}

    @pytest.mark.parametrize("data", [line(x=1) * 3, "{}\n".encode("utf-16")])
    def test_one_without_examples_has_none(self, tenant: Tenant, data: bytes) -> None:
        assert get(tenant, uploaded(tenant, data))["data"] == []

    def test_only_training_files_have_them(self, tenant: Tenant) -> None:
        answer = tenant.client.post("/v1/files", files={"file": ("f", b"x")}, data={"purpose": "user_data"})
        assert refused(tenant, answer.json()["id"])[:2] == (400, "file_id")

    def test_a_strangers_answers_as_an_unknown_one(self, tenant: Tenant, stranger: Tenant) -> None:
        theirs = uploaded(stranger, DATA)
        assert get(stranger, theirs)["data"]
        for query in ({}, {"after": "3"}, {"after": "x"}, {"order": "tokens"}):
            answer = tenant.client.get(f"/v1/files/{theirs}/validation/examples", params=query)
            unknown = tenant.client.get("/v1/files/file-unknown/validation/examples", params=query)
            assert (answer.status_code, answer.text) == (404, unknown.text.replace("file-unknown", theirs))

    def test_a_deleted_one_has_none(self, tenant: Tenant, file_id: str) -> None:
        assert tenant.client.delete(f"/v1/files/{file_id}").status_code == 200
        assert refused(tenant, file_id)[0] == 404


class TestStore:
    def test_what_is_gone_from_it_is_told(self, tenant: Tenant, file_id: str) -> None:
        storage().delete(columns_key(tenant.project_id, file_id))
        assert refused(tenant, file_id) == (404, "file_id", "examples_not_found")

    @pytest.mark.parametrize("data", [b"", b"PK", b"x" * 2_000_000])
    def test_other_bytes_in_it_are_no_fault(self, tenant: Tenant, file_id: str, data: bytes) -> None:
        storage().write(columns_key(tenant.project_id, file_id), data)
        assert refused(tenant, file_id) == (404, "file_id", "examples_not_found")

    def test_no_transaction_is_open_while_it_is_read(self, tenant: Tenant, file_id: str,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
        size, seen = ObjectStore.size, []

        def watched(store: ObjectStore, key: str) -> int:
            with transaction(tenant.scope) as session:
                seen.append(session.scalar(text(
                    "select count(*) from pg_stat_activity where datname = current_database()"
                    " and pid <> pg_backend_pid() and state like 'idle in transaction%'")))
            return size(store, key)
        monkeypatch.setattr(ObjectStore, "size", watched)
        assert get(tenant, file_id)["data"]
        assert seen == [0]

    def test_when_it_cannot_be_reached_callers_are_told_to_try_again(self, tenant: Tenant, file_id: str,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(*_: Any) -> int:
            raise StorageUnavailable
        monkeypatch.setattr(ObjectStore, "size", unreachable)
        answer = tenant.client.get(f"/v1/files/{file_id}/validation/examples")
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
