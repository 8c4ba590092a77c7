"""Data and requests that were made to do harm: each ends in an answer, a report, or a failure in words."""

from typing import Any

from sqlalchemy import text

from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.making import DATASETS, ask, built, chats, dataset, get, upload, work

ODD_LINES = [
    b'{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "a"}]}\n',
    b'{"messages": [{"role": "user", "content": "\\u0000"}, {"role": "assistant", "content": "a"}]}\n',
    b'{"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "a"}], "x": NaN}\n',
    b'{"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "a"}], "x": Infinity}\n',
    b'{"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "a"}], "x": 1e999}\n',
    b'{"messages": [{"role": "user", "content": "b"}], "x": ' + b"9" * 40 + b"}\n",
    b'{"messages": [{"role": "user", "content": "b"}], "x": ' + b"9" * 4_000 + b"}\n",
    b'{"messages": [{"role": "user", "content": "b"}], "x": ' + b"9" * 9_000 + b"}\n",
    b'{"messages": ' + b"[" * 5_000 + b"]" * 5_000 + b"}\n",
    b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    b'{"messages": [], "\\ud800": 1}\n',
    b'{"messages": [], "messages": 5}\n',
    b'{"messages": "\xff\xfe"}\n',
    b"\x00" * 1000 + b"\n",
    b"{}\n", b"[]\n", b"null\n", b"5\n", b'"a"\n',
]
ODD_FILES = [
    b"\x00" * 10_000, b"a,b\n" + b"\x00,\x00\n" * 100, b'"' + b"a" * 100_000, b"\xff\xfe", b"\xff\xfe\x00", b"PAR1",
    b"PAR1" + b"\x00" * 100 + b"PAR1", b"PK\x03\x04" + b"\x00" * 100, b"[", b"[" * 100_000, b"[{}" + b",{}" * 10_000,
    b"[" + b"{}," * 50_000 + b"]", b'{"a":' * 50_000, b"[1,2,3]", b'["' + b"x" * 100_000, b"{", b"}" * 1000,
    b"instruction,output\n" + b'"' + b"a\n" * 10_000, b"question,answer\n" + b"a,b,c\n" * 100, b"\n" * 10_000,
    b'{"instruction": "\\ud800", "output": "\\ud800"}\n' * 20, b'{"instruction": 1e999, "output": []}\n' * 20,
    b'{"instruction": ' + b"9" * 5_000 + b', "output": "a"}\n', b"\xef\xbb\xbf", b",,,\n,,,\n",
    b'{"question": "a", "answer": NaN}\n' * 20, b"question\tanswer\n" + b"a\tb\n" * 20,
    b'{"conversations": [{"from": "human", "value": "\\ud800"}, {"from": "gpt", "value": "\\u0000"}]}\n' * 20,
]


EXTRAS: list[dict[str, Any]] = [{"shape": "openai"}, {"shape": "sharegpt"}, {"shape": "alpaca"},
                                {"mapping": {"user": "{a}", "assistant": "b"}}]


def stuck(tenant: Tenant) -> list[Any]:
    with transaction(tenant.scope) as session:
        return [tuple(each) for each in session.execute(text(
            "select kind, subject, state, failures, last_error from work_items"
            " where kind not in ('files.erase', 'files.expire_upload')"))]


class TestSources:
    def test_whatever_is_uploaded_its_preview_answers(self, tenant: Tenant) -> None:
        wrong = []
        for data in (*ODD_LINES, *ODD_FILES):
            file_id = upload(tenant, data, purpose="user_data", name="a.csv")
            for extra in ({}, *EXTRAS):
                answer = tenant.client.post(f"{DATASETS}/previews", json={
                    "source": {"type": "file", "file_id": file_id, **extra}})
                if answer.status_code != 200:
                    wrong.append((data[:40], extra, answer.text))
        assert wrong == []

    def test_whatever_is_uploaded_its_version_ends(self, tenant: Tenant) -> None:
        dataset_id, made = dataset(tenant), []
        for number, data in enumerate([*ODD_LINES, *ODD_FILES]):
            file_id = upload(tenant, data, purpose="user_data", name=("a.csv", "b.jsonl", "c.parquet")[number % 3])
            for extra in ({}, EXTRAS[number % len(EXTRAS)]):
                answer = ask(tenant, dataset_id, {"type": "file", "file_id": file_id, **extra})
                assert answer.status_code == 200, answer.text
                made.append((data[:40], answer.json()["id"]))
        work(tenant)
        assert stuck(tenant) == []
        for data, version_id in made:
            version = get(tenant, dataset_id, version_id)
            assert version["status"] in {"ready", "failed"}, (data, version)
            assert version["status"] == "ready" or version["error"], (data, version)


class TestVersions:
    def test_odd_lines_end_in_reports_versions_comparisons_and_reviews(self, tenant: Tenant) -> None:
        dataset_id = dataset(tenant)
        first = built(tenant, dataset_id, chats(12) + b"".join(ODD_LINES), shape="openai")
        second = built(tenant, dataset_id, chats(1) + b"".join(reversed(ODD_LINES)) + chats(12), shape="openai")
        made = []
        for spec in ({"type": "drop_invalid"}, {"type": "deduplicate", "near": True}, {"type": "redact"},
                     {"type": "shuffle"}, {"type": "split"}, {"type": "sample", "examples": 5}, {"type": "prefer"},
                     {"type": "sample", "fraction": 0.5}, {"type": "take", "examples": 3, "skip": 2**39},
                     {"type": "add_system_prompt", "content": "x\u202e", "when": "replace"}):
            answer = ask(tenant, dataset_id, {"type": "transformation", "transformation": spec,
                                              "versions": [first["id"]]})
            assert answer.status_code == 200, answer.text
            made += answer.json().get("data", [answer.json()])
        answer = ask(tenant, dataset_id, {"type": "transformation", "transformation": {"type": "merge"},
                                          "versions": [first["id"], second["id"], first["id"]]})
        made.append(answer.json())
        review = tenant.client.post(f"{DATASETS}/{dataset_id}/versions/1/reviews",
                                    json={"flagged": "all", "sampled": {"percent": 100}})
        assert review.status_code == 200, review.text
        work(tenant)
        assert stuck(tenant) == []
        for each in made:
            assert get(tenant, dataset_id, each["id"])["status"] in {"ready", "failed"}
        for other in (second["id"], *[each["id"] for each in made]):
            answer = tenant.client.get(f"{DATASETS}/{dataset_id}/versions/{first['id']}/compare/{other}")
            assert answer.status_code in {200, 409}, answer.text
        items = tenant.client.get(f"{DATASETS}/{dataset_id}/versions/1/reviews/{review.json()['id']}/items?limit=100")
        assert items.status_code == 200, items.text
        assert len(items.json()["data"]) > 12
        for path in ("", "/findings", "/findings/content", "/tokens"):
            answer = tenant.client.get(f"/v1/files/{first['file_id']}/validation{path}")
            assert answer.status_code == 200, answer.text
