"""Data sets and versions over HTTP: made, named, listed, downloaded, kept."""

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.datasets import operations
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.making import (
    DATASETS,
    ask,
    asked,
    built,
    chats,
    dataset,
    error,
    get,
    transform,
    upload,
    work,
)
from tests.service.jobs.building import BASE


class TestDatasets:
    def test_one_is_made_listed_found_by_name_and_changed(self, tenant: Tenant) -> None:
        made = tenant.client.post(DATASETS, json={"name": "support", "description": "Mail", "metadata": {"a": "b"}})
        assert made.status_code == 200
        shown = made.json()
        assert shown == {"id": shown["id"], "object": "dataset", "name": "support", "description": "Mail",
                         "metadata": {"a": "b"}, "created_at": shown["created_at"], "created_by": shown["created_by"],
                         "last_number": 0}
        dataset(tenant, "other")
        assert [each["id"] for each in tenant.client.get(f"{DATASETS}?name=support").json()["data"]] == [shown["id"]]
        assert len(tenant.client.get(DATASETS).json()["data"]) == 2
        changed = tenant.client.post(f"{DATASETS}/{shown['id']}", json={"name": "mail", "description": None}).json()
        assert (changed["name"], changed["description"], changed["metadata"]) == ("mail", None, {"a": "b"})
        assert tenant.client.get(f"{DATASETS}/{shown['id']}").json() == changed

    def test_a_name_is_taken_once_in_a_project_and_free_again_after_a_deletion(self, tenant: Tenant,
                                                                               stranger: Tenant) -> None:
        first = dataset(tenant)
        refused = tenant.client.post(DATASETS, json={"name": "support"})
        assert error(refused, 409)["code"] == "dataset_name_taken"
        assert refused.headers["x-should-retry"] == "false"
        other = dataset(tenant, "other")
        assert error(tenant.client.post(f"{DATASETS}/{other}", json={"name": "support"}), 409)["param"] == "name"
        dataset(stranger)
        assert tenant.client.delete(f"{DATASETS}/{first}").json()["deleted"] is True
        dataset(tenant)

    def test_of_many_who_choose_one_name_at_once_one_gets_it(self, tenant: Tenant) -> None:
        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(lambda _: tenant.client.post(DATASETS, json={"name": "x"}).status_code, range(6)))
        assert sorted(statuses) == [200, 409, 409, 409, 409, 409]

    @pytest.mark.parametrize("name", ["", "a@3", "ds_x", "dsver_x", "file-x", " a", "a/b", "a\nb", "x" * 129, "a\x00"])
    def test_names_that_could_be_taken_for_something_else_are_refused(self, tenant: Tenant, name: str) -> None:
        assert error(tenant.client.post(DATASETS, json={"name": name}), 400)["type"] == "invalid_request_error"


class TestCreate:
    def test_an_original_in_native_format_is_copied_byte_for_byte(self, tenant: Tenant) -> None:
        data = b"\xef\xbb\xbf" + chats(3).replace(b"\n", b"\r\n") + b"\r\n" + chats(1, first=9).rstrip()
        of = dataset(tenant)
        version = asked(tenant, of, data)
        assert (version["status"], version["number"], version["file_id"], version["existing"]) == \
            ("building", 1, None, False)
        work(tenant)
        ready = get(tenant, of, 1)
        assert (ready["status"], ready["bytes"], ready["examples"]) == ("ready", len(data), 4)
        assert ready["sha256"] == hashlib.sha256(data).hexdigest()
        assert ready["source"]["shape"] == "openai"
        content = tenant.client.get(f"{DATASETS}/{of}/versions/1/content")
        assert (content.content, content.headers["content-length"]) == (data, str(len(data)))
        assert "support-v1.jsonl" in content.headers["content-disposition"]

    def test_its_file_is_a_file_like_any_other(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        file_id = built(tenant, of, chats(12))["file_id"]
        file = tenant.client.get(f"/v1/files/{file_id}").json()
        assert (file["filename"], file["purpose"], file["status"]) == ("support-v1.jsonl", "fine-tune", "processed")
        assert file_id in [each["id"] for each in tenant.client.get("/v1/files").json()["data"]]
        assert tenant.client.get(f"/v1/files/{file_id}/validation").json()["examples"] == 12
        refused = error(tenant.client.delete(f"/v1/files/{file_id}"), 409)
        assert refused["code"] == "file_is_kept"
        assert f"version 1 of data set {of}" in refused["message"]

    def test_the_upload_may_go_when_the_version_is_there(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        original = upload(tenant, chats(3))
        ask(tenant, of, {"type": "file", "file_id": original})
        work(tenant)
        assert tenant.client.delete(f"/v1/files/{original}").status_code == 200
        work(tenant)
        assert tenant.client.get(f"{DATASETS}/{of}/versions/1/content").content == chats(3)

    def test_another_shape_is_converted(self, tenant: Tenant) -> None:
        rows = [{"instruction": "Add", "input": "1 1", "output": "2"}, {"instruction": "Add", "output": ""}]
        of = dataset(tenant)
        original = upload(tenant, json.dumps(rows).encode(), purpose="user_data", name="alpaca.json")
        ask(tenant, of, {"type": "file", "file_id": original})
        work(tenant)
        ready = get(tenant, of, 1)
        assert (ready["status"], ready["examples"], ready["source"]["shape"]) == ("ready", 1, "alpaca")
        assert sum(ready["counts"]["left_out"].values()) == 1
        [line] = tenant.client.get(f"{DATASETS}/{of}/versions/1/content").content.splitlines()
        assert [each["content"] for each in json.loads(line)["messages"]] == ["Add\n\n1 1", "2"]

    def test_what_had_to_be_supposed_is_told(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        table = upload(tenant, "question,answer\nWo?,Im Café\n".encode("cp1252"), purpose="user_data", name="faq.csv")
        ask(tenant, of, {"type": "file", "file_id": table})
        work(tenant)
        assert get(tenant, of, 1)["counts"]["remarks"] == ["Its text was read as cp1252."]

    @pytest.mark.parametrize("data", [
        b"\x00\xff" * 100, b"just text", b"[1, 2", b'[{"instruction": 5, "output": [1]}]'])
    def test_what_cannot_be_read_fails_and_says_why(self, tenant: Tenant, data: bytes) -> None:
        of = dataset(tenant)
        ask(tenant, of, {"type": "file", "file_id": upload(tenant, data, purpose="user_data", name="x.bin")})
        work(tenant)
        failed = get(tenant, of, 1)
        assert (failed["status"], failed["file_id"]) == ("failed", None)
        assert len(failed["error"]) > 20
        refused = error(tenant.client.get(f"{DATASETS}/{of}/versions/1/content"), 409)
        assert refused["code"] == "version_not_ready"
        assert failed["error"] in refused["message"]

    def test_the_same_source_answers_the_version_that_it_made(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        first = asked(tenant, of, chats(3))
        again = asked(tenant, of, chats(3))
        assert (again["id"], again["existing"]) == (first["id"], True)
        work(tenant)
        assert asked(tenant, of, chats(3))["id"] == first["id"]
        assert get(tenant, of, 1).get("existing") is None
        elsewhere = dataset(tenant, "elsewhere")
        assert asked(tenant, elsewhere, chats(3))["id"] != first["id"]

    def test_the_same_bytes_by_another_way_say_so(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        first = built(tenant, of, chats(3))
        other = built(tenant, of, chats(3), shape="openai")
        assert (other["number"], other["same_as"], other["sha256"]) == (2, first["id"], first["sha256"])

    def test_what_failed_is_tried_anew(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        original = upload(tenant, chats(3))
        ask(tenant, of, {"type": "file", "file_id": original, "shape": "no such shape"})
        work(tenant)
        assert get(tenant, of, 1)["status"] == "failed"
        second = ask(tenant, of, {"type": "file", "file_id": original, "shape": "no such shape"}).json()
        assert (second["number"], second["existing"]) == (2, False)

    def test_only_files_that_may_be_trained_on_are_sources(self, tenant: Tenant, stranger: Tenant) -> None:
        of = dataset(tenant)
        other = upload(tenant, chats(3), purpose="assistants")
        assert error(ask(tenant, of, {"type": "file", "file_id": other}), 400)["param"] == "source.file_id"
        for unknown in ("file-unknown", upload(stranger, chats(3))):
            assert error(ask(tenant, of, {"type": "file", "file_id": unknown}), 404)["message"] == \
                f"No such File object: {unknown}"

    def test_versions_that_are_asked_for_at_once_get_numbers_of_their_own(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        files = [upload(tenant, chats(2, first=number)) for number in range(6)]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda each: ask(tenant, of, {"type": "file", "file_id": each}), files))
        assert sorted(answer.json()["number"] for answer in answers) == [1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize("source", [
        {}, {"type": "upload"}, {"type": "file"}, {"type": "file", "file_id": "a\x00"}, {"type": "file", "file_id": 5},
        {"type": "file", "file_id": "f", "mapping": {str(number): "x" for number in range(10_000)}},
        {"type": "file", "file_id": "f", "mapping": {"a": "\x00"}},
        {"type": "file", "file_id": "f", "mapping": {"\ud800": 1}}, {"type": "file", "file_id": "f", "mapping": []},
        {"type": "file", "file_id": "f", "mapping": {"a": 10**400}},
        {"type": "file", "file_id": "f", "mapping": json.loads('{"a":' * 12 + "1" + "}" * 12)},
        {"type": "transformation", "transformation": {"type": "shuffle"}, "versions": []},
        {"type": "transformation", "transformation": {"type": "shuffle"}, "versions": ["x"] * 33},
        {"type": "transformation", "transformation": "shuffle", "versions": ["x"]},
    ])
    def test_sources_that_are_none_are_refused(self, tenant: Tenant, source: dict[str, Any]) -> None:
        of = dataset(tenant)
        answer = tenant.client.post(f"{DATASETS}/{of}/versions", content=json.dumps({"source": source}),
                                    headers={"content-type": "application/json"})
        assert error(answer, 400)["type"] == "invalid_request_error"


class TestTransform:
    def test_a_split_makes_two_versions_that_share_no_line(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        whole = built(tenant, of, chats(20))
        answer = transform(tenant, of, whole["id"], type="split").json()
        assert [each["source"]["part"] for each in answer["data"]] == ["training", "validation"]
        work(tenant)
        parts = [tenant.client.get(f"{DATASETS}/{of}/versions/{each['id']}/content").content.splitlines()
                 for each in answer["data"]]
        assert all(parts)
        assert sorted(parts[0] + parts[1]) == sorted(chats(20).splitlines())

    def test_lineage_goes_down_to_files_and_up_to_children(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        original = upload(tenant, chats(20))
        ask(tenant, of, {"type": "file", "file_id": original})
        work(tenant)
        shuffled = transform(tenant, of, "support@1", type="shuffle", seed=3).json()
        work(tenant)
        told = get(tenant, of, shuffled["id"], "/lineage")
        assert [each["number"] for each in told["ancestors"]] == [2, 1]
        assert told["files"] == [original]
        assert [each["id"] for each in get(tenant, of, 1, "/lineage")["children"]] == [shuffled["id"]]

    def test_it_waits_for_what_it_is_made_from(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        first = asked(tenant, of, chats(20))
        later = transform(tenant, of, first["id"], type="shuffle").json()
        work(tenant)
        with transaction(tenant.scope) as session:
            operations.find_version(session, of, later["id"])
        assert get(tenant, of, later["id"])["status"] == "ready"

    def test_it_fails_with_what_it_is_made_from(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        first = asked(tenant, of, b"{}\n", shape="nonsense")
        later = transform(tenant, of, first["id"], type="shuffle").json()
        work(tenant)
        assert first["id"] in get(tenant, of, later["id"])["error"]
        assert error(transform(tenant, of, first["id"], type="shuffle", seed=2), 400)["code"] == "version_failed"

    @pytest.mark.parametrize("transformation", [{}, {"type": "explode"}, {"type": 5}, {"type": ["shuffle"]}])
    def test_unknown_ones_are_refused(self, tenant: Tenant, transformation: dict[str, Any]) -> None:
        of = dataset(tenant)
        version = built(tenant, of, chats(3))
        refused = error(transform(tenant, of, version["id"], **transformation), 400)
        assert refused["code"] == "invalid_transformation"

    def test_only_merge_takes_several(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        ids = [built(tenant, of, chats(2, first=first))["id"] for first in (0, 2)]
        both = {"type": "transformation", "versions": ids}
        assert error(ask(tenant, of, {**both, "transformation": {"type": "shuffle"}}), 400)
        ask(tenant, of, {**both, "transformation": {"type": "merge"}})
        work(tenant)
        assert get(tenant, of, 3)["examples"] == 4

    def test_anothers_version_is_as_unknown_as_nobodys(self, tenant: Tenant, stranger: Tenant) -> None:
        of = dataset(tenant)
        theirs = built(stranger, dataset(stranger, "theirs"), chats(3))["id"]
        for name in (theirs, "dsver_unknown", "theirs@1", "support@1", "support@" + "9" * 200, "@", "support@x"):
            refused = error(transform(tenant, of, name, type="shuffle"), 404)
            assert refused["code"] == "version_not_found"


def parquet(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue()


class TestPreviewOfASource:
    def see(self, tenant: Tenant, data: bytes, **source: Any) -> dict[str, Any]:
        file_id = upload(tenant, data, purpose="user_data", name="data")
        answer = tenant.client.post(f"{DATASETS}/previews",
                                    json={"source": {"type": "file", "file_id": file_id, **source}, "limit": 2})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def test_shape_and_first_examples_are_shown_and_nothing_is_made(self, tenant: Tenant) -> None:
        rows = [{"instruction": f"Add {number}", "output": "2"} for number in range(5)]
        told = self.see(tenant, json.dumps(rows).encode())
        assert (told["shape"], told["problem"], len(told["examples"])) == ("alpaca", None, 2)
        assert told["examples"][0]["messages"][0]["content"] == "Add 0"
        assert tenant.client.get(DATASETS).json()["data"] == []

    def test_what_had_to_be_supposed_is_told_even_when_rows_are_left_over(self, tenant: Tenant) -> None:
        told = self.see(tenant, b"question,answer\n" + "Wo?,Im Café\n".encode("cp1252") * 3)
        assert (told["remarks"], len(told["examples"])) == (["Its text was read as cp1252."], 2)

    def test_a_parquet_file_is_read_and_one_that_unfolds_without_end_is_not(self, tenant: Tenant) -> None:
        assert len(self.see(tenant, parquet({"instruction": ["a"] * 9, "output": ["b"] * 9}))["examples"]) == 2
        fold = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, type=pa.int32()), pa.array(["x" * 6_000_000]))
        bomb = parquet({"instruction": fold, "output": ["b"] * 2000})
        assert len(bomb) < 2000
        assert "unfolds to more than can be read" in self.see(tenant, bomb)["problem"]

    @pytest.mark.parametrize("data", [b"\x00\x01", b"[1", b"{}\n\xff\xfe{\n", b"PAR1" + b"x" * 50])
    def test_what_is_not_understood_is_said(self, tenant: Tenant, data: bytes) -> None:
        assert self.see(tenant, data)["problem"]


class TestJobs:
    @pytest.mark.parametrize("name", ["{id}", "{dataset}@1", "support@1", "{file}"])
    def test_a_version_is_named_wherever_a_file_can(self, tenant: Tenant, name: str) -> None:
        of = dataset(tenant)
        version = built(tenant, of, chats(12))
        told = name.format(id=version["id"], dataset=of, file=version["file_id"])
        job = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": told,
                                                               "validation_file": told}).json()
        assert (job["training_file"], job["validation_file"]) == (version["file_id"], version["file_id"])
        assert (job["training_dataset_version"], job["validation_dataset_version"]) == (version["id"], version["id"])

    @pytest.mark.parametrize("name", ["support@2", "other@1", "dsver_unknown", "@1", "support@"])
    def test_a_version_that_nobody_has_is_refused_as_a_file_is(self, tenant: Tenant, name: str) -> None:
        built(tenant, dataset(tenant), chats(12))
        refused = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": name})
        assert error(refused, 400)["message"] == f"invalid training_file: {name}"

    def test_anothers_version_is_refused_as_nobodys_is(self, tenant: Tenant, stranger: Tenant) -> None:
        of = dataset(stranger, "theirs")
        theirs = built(stranger, of, chats(12))
        for name in (theirs["id"], f"{of}@1", "theirs@1", theirs["file_id"]):
            refused = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": name})
            assert error(refused, 400)["message"] == f"invalid training_file: {name}"

    def test_one_that_failed_says_why(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        version = built(tenant, of, chats(12), shape="nonsense")
        refused = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": version["id"]})
        assert error(refused, 400) == {"message": f"Version {version['id']} could not be built: {version['error']}",
                                       "type": "invalid_request_error", "param": "training_file",
                                       "code": "version_failed"}
