"""Validation by workers: the report and the file's status, the same however often and by however many it is read."""

import io
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from service.datasets import operations as datasets
from service.datasets.analysis.columns import Columns
from service.datasets.analysis.merging import merge
from service.datasets.analysis.segments import analyse_segment
from service.kit import work
from service.kit.database import DISPATCH, transaction
from service.kit.storage import storage
from service.kit.work import MAX_CRASHES, MAX_FAILURES, Work, enqueue
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import analysed, different
from tests.service.files.chats import line, lines
from tests.worker.tasks.running import work_off
from worker import app
from worker.tasks import datasets as tasks
from worker.tasks import files as file_tasks

SEGMENTS = 6


def create(tenant: Tenant, data: bytes) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", data)}, data={"purpose": "fine-tune"})
    identifier: str = answer.json()["id"]
    return identifier


def get(tenant: Tenant, path: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.client.get(f"/v1/files/{path}").json()
    return found


def findings(tenant: Tenant, file_id: str) -> list[dict[str, Any]]:
    return [{**each, "id": None} for each in get(tenant, f"{file_id}/validation/findings?limit=1000")["data"]]


def count(tenant: Tenant, table: str) -> int:
    with transaction(tenant.scope) as session:
        found: int = session.execute(text(f"select count(*) from {table}")).scalar_one()
    return found


def due(tenant: Tenant, kind: Work) -> list[str]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(text("select id from work_items where kind = :kind and state = 'pending'"
                                         " and run_at <= now() order by position"), {"kind": kind.value}))


def stored(tenant: Tenant) -> list[str]:
    return [key.removeprefix(f"projects/{tenant.project_id}/")
            for key in storage().keys(f"projects/{tenant.project_id}")]


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch, house: None) -> Iterator[bytes]:
    """A file that is cut into six segments."""
    data = different(300) + line(x=1) + b"\n" + lines(2)
    monkeypatch.setenv("TUNEWORKS_SEGMENT_BYTES", str(len(data) // SEGMENTS))
    settings.cache_clear()
    yield data
    settings.cache_clear()


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each segment was read, by its number."""
    seen: Counter[int] = Counter()
    read = analyse_segment

    def counted(*args: Any, **named: Any) -> Any:
        done = read(*args, **named)
        seen[named["index"]] += 1
        return done
    monkeypatch.setattr(tasks, "analyse_segment", counted)
    return seen


class TestSmallFiles:
    def test_a_good_one_becomes_processed(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(12))
        work_off(tenant)
        assert get(tenant, file_id)["status"] == "processed"
        report = get(tenant, f"{file_id}/validation")
        assert (report["status"], report["format"], report["lines"], report["examples"], report["errors"]) == \
            ("completed", "chat", 12, 12, 0)

    def test_a_bad_one_becomes_an_error_that_says_why(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(12) + line(colour="red"))
        work_off(tenant)
        file = get(tenant, file_id)
        assert (file["status"], file["status_details"]) == \
            ("error", 'Invalid file format. Example 13 contains an extra "colour".')
        assert get(tenant, f"{file_id}/validation")["problem"] == file["status_details"]

    def test_its_columns_are_stored(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(12))
        work_off(tenant)
        key = datasets.columns_key(tenant.project_id, file_id)
        columns = Columns.load(io.BytesIO(b"".join(storage().read(key))))
        assert list(columns.line) == list(range(1, 13))
        assert stored(tenant) == [f"analysis/{file_id}/columns.npz", f"files/{file_id}"]

    def test_reading_twice_records_the_same(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines(3) + b"{\n" * 5)
        told = []
        for _ in range(2):
            work_off(tenant)
            told.append(({**get(tenant, f"{file_id}/validation"), "completed_at": 0, "started_at": 0},
                         findings(tenant, file_id)))
            with transaction(tenant.scope) as session:
                session.execute(text("update dataset_reports set status = 'running', body = null"))
                enqueue(session, Work.VALIDATE_FILE, file_id, project_id=tenant.project_id)
        assert told[0] == told[1]
        assert sum(each["kind"] == "invalid_json" for each in told[0][1]) == 5

    def test_what_was_read_is_not_read_again(self, tenant: Tenant, analyses: Counter[int]) -> None:
        file_id = create(tenant, different(12))
        work_off(tenant)
        with transaction(tenant.scope) as session:
            enqueue(session, Work.VALIDATE_FILE, file_id, project_id=tenant.project_id)
        assert work_off(tenant) == 1
        assert analyses == {0: 1}

    def test_a_deleted_one_is_not_read(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines())
        tenant.client.delete(f"/v1/files/{file_id}")
        work_off(tenant)
        assert count(tenant, "dataset_reports") == 0

    def test_one_that_is_deleted_while_it_is_read_leaves_nothing(self, tenant: Tenant,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
        file_id = create(tenant, different(12))
        def merge_late(*args: Any, **named: Any) -> Any:
            tenant.client.delete(f"/v1/files/{file_id}")
            for item in due(tenant, Work.ERASE_OBJECT):
                app.run(file_tasks.erase, item)
            return merge(*args, **named)
        monkeypatch.setattr(tasks, "merge", merge_late)
        work_off(tenant)
        assert (stored(tenant), count(tenant, "dataset_reports"), count(tenant, "work_items where state='pending'"
                " and run_at <= now()")) == ([], 0, 0)

    def test_lost_bytes_are_told(self, tenant: Tenant) -> None:
        file_id = create(tenant, lines())
        storage().delete_prefix(f"projects/{tenant.project_id}")
        work_off(tenant)
        assert get(tenant, file_id)["status_details"] == \
            "The bytes of this file are gone from the object store. Upload it again."
        assert get(tenant, f"{file_id}/validation")["status"] == "failed"

    def test_one_that_cannot_be_read_fails_in_the_end(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        file_id = create(tenant, lines())
        with monkeypatch.context() as patch:
            patch.setenv("TUNEWORKS_STORAGE_URL", "file:///proc/no/such/place")
            settings.cache_clear()
            work_off(tenant)
            assert get(tenant, file_id)["status"] == "uploaded"
            with transaction(tenant.scope) as session:
                session.execute(text("update work_items set run_at = now(), failures = :most"), {"most": MAX_FAILURES})
            work_off(tenant)
        settings.cache_clear()
        file = get(tenant, file_id)
        assert file["status"] == "error"
        assert file["status_details"].startswith("The file could not be validated: The object store is not reachable")


class TestLargeFiles:
    def test_segments_tell_the_same_as_one_piece(self, tenant: Tenant, small_segments: bytes) -> None:
        file_id = create(tenant, small_segments)
        assert work_off(tenant) == 1  # planned
        report = get(tenant, f"{file_id}/validation")
        assert (report["status"], report["progress"]["bytes"]) == ("running", 0)
        assert work_off(tenant) == SEGMENTS
        assert get(tenant, f"{file_id}/validation")["progress"]["percent"] == 100.0
        assert get(tenant, f"{file_id}/validation")["status"] == "running"
        assert work_off(tenant) == 1  # put together
        whole = analysed(small_segments)
        with transaction(tenant.scope) as session:
            told = datasets.reports_of(session, file_id)
        assert told is not None
        assert replace(told, quality=None) == replace(whole.report, quality=None)  # which looks at samples
        assert [(each["kind"], each["line"], each["message"]) for each in findings(tenant, file_id)] == \
            [(each.kind, each.line, each.message) for each in whole.findings]
        assert get(tenant, file_id)["status"] == "error"

    def test_nothing_of_the_segments_is_left(self, tenant: Tenant, small_segments: bytes) -> None:
        file_id = create(tenant, small_segments)
        for _ in range(4):
            work_off(tenant)
        assert (count(tenant, "dataset_segments"), work_off(tenant)) == (0, 0)
        assert stored(tenant) == [f"analysis/{file_id}/columns.npz", f"files/{file_id}"]

    def test_a_kill_costs_no_segment_that_was_done(self, tenant: Tenant, small_segments: bytes,
                                                   analyses: Counter[int]) -> None:
        file_id = create(tenant, small_segments)
        work_off(tenant)
        items = due(tenant, Work.ANALYSE_SEGMENT)
        for item in items[:3]:
            app.run(tasks.analyse, item)
        half = get(tenant, f"{file_id}/validation")["progress"]
        assert 40 < half["percent"] < 60
        with transaction(DISPATCH) as session:  # taken by a worker that dies over it, as its lease tells in the end
            assert work.claim(session, items[3], owner="dead", lease=timedelta(seconds=-1))
        with transaction(tenant.scope) as session:  # and whoever planned died before its item was finished
            enqueue(session, Work.VALIDATE_FILE, file_id, project_id=tenant.project_id)
        work_off(tenant)
        app.run(tasks.analyse, items[3])
        for _ in range(3):
            work_off(tenant)
        assert analyses == dict.fromkeys(range(SEGMENTS), 1)
        assert get(tenant, f"{file_id}/validation")["lines"] == small_segments.count(b"\n")

    def test_a_worker_that_was_declared_dead_records_nothing(self, tenant: Tenant, small_segments: bytes,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
        create(tenant, small_segments)
        work_off(tenant)
        item = due(tenant, Work.ANALYSE_SEGMENT)[0]
        read = analyse_segment

        def overtaken(*args: Any, **named: Any) -> Any:
            with transaction(DISPATCH) as session:
                session.execute(text("update work_items set fence = fence + 1 where id = :id"), {"id": item})
            return read(*args, **named)
        monkeypatch.setattr(tasks, "analyse_segment", overtaken)
        app.run(tasks.analyse, item)
        assert count(tenant, "dataset_segments where object_key is not null") == 0

    def test_two_workers_share_one_file(self, tenant: Tenant, small_segments: bytes, analyses: Counter[int]) -> None:
        file_id = create(tenant, small_segments)
        work_off(tenant)
        items = due(tenant, Work.ANALYSE_SEGMENT)
        together = threading.Barrier(2)

        def worker(mine: list[str]) -> None:
            for item in mine:
                together.wait()
                app.run(tasks.analyse, item)
        threads = [threading.Thread(target=worker, args=(items[start::2],)) for start in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert analyses == dict.fromkeys(range(SEGMENTS), 1)
        assert len(due(tenant, Work.VALIDATE_FILE)) == 1
        work_off(tenant)
        assert get(tenant, f"{file_id}/validation")["status"] == "completed"

    def test_the_format_is_that_of_the_first_lines(self, tenant: Tenant, small_segments: bytes) -> None:
        data = small_segments[:len(small_segments) // 2]
        data = data[:data.rfind(b"\n") + 1]
        file_id = create(tenant, data + b'{"prompt": "a", "completion": "b"}\n' * (len(data) // 20))
        for _ in range(3):
            work_off(tenant)
        report = get(tenant, f"{file_id}/validation")
        assert (report["format"], report["examples"]) == ("chat", data.count(b"\n"))
        assert report["errors"] >= len(data) // 20

    def test_a_lost_segment_is_read_again(self, tenant: Tenant, small_segments: bytes, analyses: Counter[int]) -> None:
        file_id = create(tenant, small_segments)
        work_off(tenant)
        work_off(tenant)
        [lost] = [key for key in storage().keys(f"projects/{tenant.project_id}/analysis") if key.endswith("/2")]
        storage().delete(lost)
        for _ in range(3):
            work_off(tenant)
        assert analyses == {**dict.fromkeys(range(SEGMENTS), 1), 2: 2}
        assert get(tenant, f"{file_id}/validation")["status"] == "completed"

    def test_a_segment_that_kills_its_workers_fails_the_file(self, tenant: Tenant, small_segments: bytes) -> None:
        file_id = create(tenant, small_segments)
        work_off(tenant)
        item = due(tenant, Work.ANALYSE_SEGMENT)[0]
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set crashes = :most where id = :id"),
                            {"id": item, "most": MAX_CRASHES + 1})
        app.run(tasks.analyse, item)
        assert get(tenant, file_id)["status"] == "error"
        assert "workers that died over it" in get(tenant, file_id)["status_details"]
        work_off(tenant)  # the others find nothing to do
        assert get(tenant, f"{file_id}/validation")["status"] == "failed"
        assert stored(tenant) == [f"files/{file_id}"]

    def test_a_file_that_is_deleted_meanwhile_leaves_nothing(self, tenant: Tenant, small_segments: bytes) -> None:
        file_id = create(tenant, small_segments)
        work_off(tenant)
        app.run(tasks.analyse, due(tenant, Work.ANALYSE_SEGMENT)[0])
        tenant.client.delete(f"/v1/files/{file_id}")
        for _ in range(2):
            work_off(tenant)
        assert (stored(tenant), count(tenant, "dataset_segments"), count(tenant, "dataset_reports")) == ([], 0, 0)


def test_a_deleted_files_results_go_with_it(tenant: Tenant) -> None:
    gone, kept = create(tenant, different(10) + line(x=1)), create(tenant, different(10))
    work_off(tenant)
    assert get(tenant, f"{gone}/validation/tokens?tokenizer=cl100k_base")["status"] == "pending"
    tenant.client.delete(f"/v1/files/{gone}")
    assert tenant.client.get(f"/v1/files/{gone}/validation").status_code == 404
    work_off(tenant)
    assert stored(tenant) == [f"analysis/{kept}/columns.npz", f"files/{kept}"]
    with transaction(tenant.scope) as session:
        assert session.scalars(text("select distinct file_id from dataset_reports")).all() == [kept]
        assert session.execute(text("select count(*) from dataset_token_counts")).scalar_one() == 0
        assert session.execute(text("select count(*) from dataset_findings f join dataset_reports r"
                                    " on r.id = f.report_id where r.file_id = :gone"), {"gone": gone}).scalar_one() == 0
