"""Reports over HTTP, and the verdict that a job hears."""

from typing import Any

import pytest

from service.datasets import operations
from service.datasets.validation.examination import examine
from service.files import operations as files
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.files.chats import line, lines


def create(tenant: Tenant, data: bytes, *, read: bool = True) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", data)}, data={"purpose": "fine-tune"})
    identifier: str = answer.json()["id"]
    if read:
        with transaction(tenant.scope) as session:
            operations.record_report(session, identifier, examine([data]), project_id=tenant.project_id)
    return identifier


def verdict(tenant: Tenant, file_id: str, role: str = "training_file") -> operations.Verdict | None:
    with transaction(tenant.scope) as session:
        return operations.verdict(session, file_id, role)


def test_a_report_is_pending_until_the_file_was_read(tenant: Tenant) -> None:
    file_id = create(tenant, lines(), read=False)
    assert tenant.client.get(f"/v1/files/{file_id}/validation").json() == {
        "object": "file.validation", "file_id": file_id, "status": "pending", "format": None, "lines": 0,
        "examples": 0, "errors": 0, "warnings": 0, "counts": {}, "completed_at": None}
    assert tenant.client.get(f"/v1/files/{file_id}/validation/findings").json()["data"] == []
    assert verdict(tenant, file_id) is None


def test_a_report_counts_everything(tenant: Tenant) -> None:
    file_id = create(tenant, lines(8) + b"\n" + line(x=1, y=2) + line(x=1))
    report = tenant.client.get(f"/v1/files/{file_id}/validation").json()
    assert report.pop("completed_at") > 0
    assert report == {
        "object": "file.validation", "file_id": file_id, "status": "completed", "format": "chat", "lines": 11,
        "examples": 8, "errors": 3, "warnings": 2,
        "counts": {"unknown_key": 3, "blank_line": 1, "too_few_examples": 1}}


def test_findings_are_paged_and_filtered_in_the_order_of_lines(tenant: Tenant) -> None:
    file_id = create(tenant, lines(8) + b"\n" + line(x=1) + line(y=1))

    def listed(**query: Any) -> list[tuple[str, int | None]]:
        answer = tenant.client.get(f"/v1/files/{file_id}/validation/findings", params=query).json()
        return [(finding["kind"], finding["line"]) for finding in answer["data"]]

    everything = [("blank_line", 9), ("unknown_key", 10), ("unknown_key", 11), ("too_few_examples", None)]
    assert listed() == everything
    assert listed(severity="error") == everything[1:3]
    assert listed(kind="blank_line") == everything[:1]
    first = tenant.client.get(f"/v1/files/{file_id}/validation/findings", params={"limit": 2}).json()
    assert first["has_more"]
    assert listed(after=first["last_id"]) == everything[2:]
    finding = tenant.client.get(f"/v1/files/{file_id}/validation/findings?kind=unknown_key").json()["data"][0]
    assert finding == {"id": finding["id"], "object": "file.validation.finding", "severity": "error",
                       "kind": "unknown_key", "line": 10, "path": "x", "hint": None,
                       "message": 'Example 10 contains an extra "x".'}


def test_only_training_files_are_validated(tenant: Tenant) -> None:
    answer = tenant.client.post("/v1/files", files={"file": ("f", b"x")}, data={"purpose": "user_data"})
    refused = tenant.client.get(f"/v1/files/{answer.json()['id']}/validation")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "file_id")


@pytest.mark.parametrize("path", ["", "/findings"])
def test_a_strangers_report_answers_as_an_unknown_one(tenant: Tenant, stranger: Tenant, path: str) -> None:
    theirs = create(stranger, lines())
    answer = tenant.client.get(f"/v1/files/{theirs}/validation{path}")
    unknown = tenant.client.get(f"/v1/files/file-unknown/validation{path}")
    assert (answer.status_code, answer.text) == (404, unknown.text.replace("file-unknown", theirs))


def test_recording_again_replaces_what_was_found(tenant: Tenant) -> None:
    file_id = create(tenant, line(x=1) * 20)
    with transaction(tenant.scope) as session:
        operations.record_report(session, file_id, examine([lines(12)]), project_id=tenant.project_id)
    assert tenant.client.get(f"/v1/files/{file_id}").json()["status"] == "processed"
    assert tenant.client.get(f"/v1/files/{file_id}/validation").json()["errors"] == 0
    assert tenant.client.get(f"/v1/files/{file_id}/validation/findings").json()["data"] == []


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
        file_id = create(tenant, b'{"prompt": "a", "completion": "b"}\n' * 3)
        found = verdict(tenant, file_id)
        assert found is not None
        assert found.error is not None
        assert found.error["code"] == "invalid_training_file"
        assert "Unexpected file format, expected chat messages. Example 1 is missing key 'messages'." in \
            found.error["message"]

    def test_a_file_that_could_not_be_read_is_our_fault(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(), read=False)
        with transaction(tenant.scope) as session:
            files.mark_validated(session, file_id, problem="The bytes are gone.")
        assert verdict(tenant, file_id) == operations.Verdict(0, {
            "code": "server_error", "param": "training_file", "message": "The bytes are gone."})
