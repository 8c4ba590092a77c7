"""Reports over HTTP, and the verdict that a job hears."""

import json
from typing import Any

import pytest

from service.datasets import operations
from service.datasets.operations import readings
from service.files import operations as files
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import analysed, different, pairs
from tests.service.files.chats import line, lines


def create(tenant: Tenant, data: bytes, *, read: bool = True) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", data)}, data={"purpose": "fine-tune"})
    identifier: str = answer.json()["id"]
    if read:
        with transaction(tenant.scope) as session:
            assert operations.record_report(session, identifier, analysed(data))
    return identifier


def get(tenant: Tenant, file_id: str, path: str = "", **query: Any) -> dict[str, Any]:
    answer = tenant.client.get(f"/v1/files/{file_id}/validation{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def verdict(tenant: Tenant, file_id: str, role: str = "training_file",
            method: str = "supervised") -> operations.Verdict | None:
    with transaction(tenant.scope) as session:
        return operations.verdict(session, file_id, role, method)


class TestReport:
    def test_it_is_pending_until_the_file_is_read(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(), read=False)
        report = get(tenant, file_id)
        assert (report["status"], report["verdict"], report["lines"], report["tokens"]) == ("pending", None, 0, None)
        assert report["progress"] == {"bytes": 0, "total_bytes": len(lines()), "percent": 0.0}
        assert get(tenant, file_id, "/findings")["data"] == []
        assert verdict(tenant, file_id) is None

    def test_while_it_runs_it_tells_how_far_it_is(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(), read=False)
        with transaction(tenant.scope) as session:
            assert readings.begin(session, file_id)
            readings.note_reading(session, file_id, len(lines()) // 2)
        report = get(tenant, file_id)
        assert (report["status"], report["completed_at"], report["verdict"]) == ("running", None, None)
        assert report["progress"] == {"bytes": len(lines()) // 2, "total_bytes": len(lines()), "percent": 50.0}
        assert report["started_at"] > 0
        assert verdict(tenant, file_id) is None

    def test_it_counts_everything(self, tenant: Tenant) -> None:
        data = different(8) + b"\n" + line(x=1, y=2) + line(x=1)
        report = get(tenant, create(tenant, data))
        assert report["completed_at"] >= report["started_at"] > 0
        assert report["progress"] == {"bytes": len(data), "total_bytes": len(data), "percent": 100.0}
        assert (report["status"], report["format"], report["lines"], report["examples"]) == \
            ("completed", "chat", 11, 8)
        assert (report["errors"], report["verdict"]) == (3, "block")
        assert report["counts"]["unknown_key"] == 3
        assert report["counts"]["blank_line"] == report["counts"]["too_few_examples"] == 1
        assert sum(report["counts"].values()) == report["errors"] + report["warnings"] + report["infos"]
        assert any("3 errors" in reason for reason in report["reasons"])

    def test_it_measures_the_whole_file(self, tenant: Tenant) -> None:
        data = different(20)
        file_id = create(tenant, data)
        report = get(tenant, file_id)
        assert report["tokens"]["tokenizer"] == "o200k_base"
        assert report["tokens"]["examples"] == 20
        assert 0 < report["tokens"]["trainable"] < report["tokens"]["total"] < report["tokens"]["billed"]
        assert report["duplicates"]["exact"] == 0
        assert report["score"] == report["quality"]["score"]
        assert set(report["privacy"]) == {"counts", "examples"}
        with transaction(tenant.scope) as session:
            assert operations.reports_of(session, file_id) == analysed(data).report
            assert operations.progress(session, file_id) == (len(data), len(data))

    def test_only_training_files_are_validated(self, tenant: Tenant) -> None:
        answer = tenant.client.post("/v1/files", files={"file": ("f", b"x")}, data={"purpose": "user_data"})
        for path in ("", "/findings", "/findings/content", "/tokens"):
            refused = tenant.client.get(f"/v1/files/{answer.json()['id']}/validation{path}")
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "file_id")

    @pytest.mark.parametrize("path", ["", "/findings", "/findings/content", "/tokens"])
    def test_a_strangers_report_answers_as_an_unknown_one(self, tenant: Tenant, stranger: Tenant, path: str) -> None:
        theirs = create(stranger, lines())
        answer = tenant.client.get(f"/v1/files/{theirs}/validation{path}")
        unknown = tenant.client.get(f"/v1/files/file-unknown/validation{path}")
        assert (answer.status_code, answer.text) == (404, unknown.text.replace("file-unknown", theirs))

    def test_recording_again_replaces_what_was_found(self, tenant: Tenant) -> None:
        file_id = create(tenant, line(x=1) * 20)
        with transaction(tenant.scope) as session:
            operations.record_report(session, file_id, analysed(different(12)))
        assert tenant.client.get(f"/v1/files/{file_id}").json()["status"] == "processed"
        assert get(tenant, file_id)["errors"] == 0
        assert get(tenant, file_id, "/findings", severity="error")["data"] == []


class TestFindings:
    DATA = different(8) + b"\n" + line(x=1) + line(y=1)

    def listed(self, tenant: Tenant, file_id: str, **query: Any) -> list[tuple[str, int | None]]:
        return [(each["kind"], each["line"]) for each in get(tenant, file_id, "/findings", **query)["data"]
                if each["severity"] != "info" or each["kind"] == "blank_line"]

    def test_they_are_filtered_in_the_order_of_lines(self, tenant: Tenant) -> None:
        file_id = create(tenant, self.DATA)
        errors = [("unknown_key", 10), ("unknown_key", 11)]
        assert self.listed(tenant, file_id, severity="error") == errors
        assert self.listed(tenant, file_id, kind="blank_line") == [("blank_line", 9)]
        assert self.listed(tenant, file_id, severity="info", kind="blank_line") == [("blank_line", 9)]
        assert self.listed(tenant, file_id, from_line=9, to_line=10) == [("blank_line", 9), errors[0]]
        assert self.listed(tenant, file_id, from_line=11) == errors[1:]
        finding = get(tenant, file_id, "/findings", kind="unknown_key")["data"][0]
        assert finding == {"id": finding["id"], "object": "file.validation.finding", "severity": "error",
                           "kind": "unknown_key", "line": 10, "path": "x", "hint": finding["hint"],
                           "message": 'Example 10 contains an extra "x".'}

    def test_pages_follow_each_other_without_gaps(self, tenant: Tenant) -> None:
        file_id = create(tenant, self.DATA)
        everything = get(tenant, file_id, "/findings")["data"]
        walked, query = [], {"limit": 1}
        for _ in everything:
            page = get(tenant, file_id, "/findings", **query)
            walked += page["data"]
            query["after"] = page["last_id"]
        assert (walked, page["has_more"]) == (everything, False)

    def test_all_of_them_can_be_downloaded_as_json_lines(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(10) + line(x=1) * 1001)
        path = f"/v1/files/{file_id}/validation/findings/content"
        answer = tenant.client.get(path)
        assert answer.headers["content-type"].startswith("application/jsonl")
        rows = [json.loads(each) for each in answer.text.splitlines()]
        assert sum(row["kind"] == "unknown_key" for row in rows) == 1000  # of 1,001; a page is 1,000 rows long
        assert rows[:1000] == get(tenant, file_id, "/findings", limit=1000)["data"]
        some = tenant.client.get(path, params={"severity": "error", "from_line": 1000}).text.splitlines()
        assert [json.loads(each)["line"] for each in some] == list(range(1000, 1011))

    @pytest.mark.parametrize("query", [{"from_line": 0}, {"to_line": "x"}, {"severity": "bad"}, {"kind": "\0"},
                                       {"from_line": 2**70}])
    def test_senseless_filters_are_refused(self, tenant: Tenant, query: dict[str, Any]) -> None:
        file_id = create(tenant, lines(1), read=False)
        for path in ("findings", "findings/content"):
            assert tenant.client.get(f"/v1/files/{file_id}/validation/{path}", params=query).status_code == 400


class TestTokens:
    def test_the_reports_own_tokenizer_is_answered_at_once(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(12))
        told = get(tenant, file_id, "/tokens")
        assert (told["status"], told["tokenizer"]) == ("completed", "o200k_base")
        assert told["tokens"] == get(tenant, file_id)["tokens"]

    def test_another_one_is_counted_when_it_is_asked_for(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(12))
        for _ in range(2):
            told = get(tenant, file_id, "/tokens", tokenizer="cl100k_base")
            assert (told["status"], told["tokens"], told["percent"]) == ("pending", None, 0.0)
        with transaction(tenant.scope) as session:
            assert operations.token_counts(session, file_id, "cl100k_base") is None

    def test_names_that_cannot_be_are_refused(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(1), read=False)
        for name in ("", "../x", "a b", "x" * 65):
            answer = tenant.client.get(f"/v1/files/{file_id}/validation/tokens", params={"tokenizer": name})
            assert answer.status_code == 400, name

    def test_there_is_an_end_to_names(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(1), read=False)
        for number in range(50):
            get(tenant, file_id, "/tokens", tokenizer=f"model-{number}")
        refused = tenant.client.get(f"/v1/files/{file_id}/validation/tokens", params={"tokenizer": "model-50"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tokenizer")
        get(tenant, file_id, "/tokens", tokenizer="model-7")


class TestVerdict:
    def test_a_good_file_may_be_trained_on(self, tenant: Tenant) -> None:
        assert verdict(tenant, create(tenant, lines(12))) == operations.Verdict(12)

    def test_too_few_examples_are_openais_error(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(7))
        assert verdict(tenant, file_id) == operations.Verdict(7, {
            "code": "invalid_n_examples", "param": "training_file",
            "message": "Training file has 7 example(s), but must have at least 10 examples"})
        assert verdict(tenant, file_id, "validation_file") == operations.Verdict(7)

    def test_bad_lines_are_listed_and_counted(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(10) + line(tools=5) + line(weight=1) + b"{\n" + line(x=1) * 4)
        assert verdict(tenant, file_id, "validation_file") == operations.Verdict(10, {
            "code": "invalid_file_format", "param": "validation_file",
            "message": "The job failed due to an invalid validation file. Invalid file format. Example 11 has 'tools'"
                       ' that is not a list of at most 128. Example 12 contains an extra "weight". Example 13 cannot'
                       " be parsed. Error: line contains invalid json: Expecting property name enclosed in double"
                       f" quotes: column 2. And 4 more errors: see GET /v1/files/{file_id}/validation/findings."})

    def test_a_file_of_something_else_is_no_training_file(self, tenant: Tenant) -> None:
        file_id = create(tenant, b'{"text": "a"}\n' * 3)
        found = verdict(tenant, file_id)
        assert found is not None
        assert found.error is not None
        assert found.error["code"] == "invalid_training_file"
        assert "Unexpected file format, expected chat messages. Example 1 is missing key 'messages'." in \
            found.error["message"]

    def test_format_and_method_must_fit(self, tenant: Tenant) -> None:
        chat, preference = create(tenant, lines(12)), create(tenant, pairs(12))
        assert verdict(tenant, preference, method="dpo") == operations.Verdict(12)
        for file_id, method, word in ((chat, "dpo", "chat"), (preference, "supervised", "preference")):
            found = verdict(tenant, file_id, method=method)
            assert found is not None
            assert found.error is not None
            assert (found.error["code"], found.error["param"]) == ("invalid_file_format", "training_file")
            assert word in found.error["message"]
            assert "fine-tun" in found.error["message"]

    def test_a_file_that_could_not_be_read_is_our_fault(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(), read=False)
        with transaction(tenant.scope) as session:
            files.mark_validated(session, file_id, problem="The bytes are gone.")
        assert verdict(tenant, file_id) == operations.Verdict(0, {
            "code": "server_error", "param": "training_file", "message": "The bytes are gone."})
