"""Building versions by workers that die, stall, are deleted under, or meet a store that is away."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.datasets.operations import building, making
from service.files.contents import file_key
from service.jobs import operations as jobs
from service.kit.database import transaction
from service.kit.storage import ObjectStore, storage
from service.kit.work import MAX_CRASHES, MAX_FAILURES
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.datasets.making import DATASETS, asked, built, chats, dataset, get, transform, work
from tests.service.jobs.building import BASE, reload
from tests.worker.tasks.running import work_off
from worker import app
from worker.tasks import versions


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def run(tenant: Tenant, statement: str, **values: Any) -> Any:
    with transaction(tenant.scope) as session:
        return session.execute(text(statement), values)


def due(tenant: Tenant) -> None:
    run(tenant, "update work_items set run_at = now(), next_dispatch = now(), lease_until = now() - interval '1 s'"
                " where kind = 'datasets.build_version'")


def build_once(tenant: Tenant) -> None:
    for item in run(tenant, "select id from work_items where kind = 'datasets.build_version'").scalars().all():
        app.run(versions.build, item)


def stored(tenant: Tenant) -> list[str]:
    return storage().keys(f"projects/{tenant.project_id}/files")


def scratch() -> list[Path]:
    return list((settings().work_dir / "datasets").glob("dsver_*"))


PLACES = {
    "before anything": (building, "begin_build"), "while reading": (ObjectStore, "read"),
    "while making": (making, "convert"), "before storing": (ObjectStore, "write"),
    "before it is recorded": (building, "record_built"),
}


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_it_is_repeated_and_leaves_one_whole_version(tenant: Tenant, monkeypatch: pytest.MonkeyPatch,
                                                                     place: str) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*PLACES[place], die)
        with pytest.raises(Killed):
            build_once(tenant)
    assert get(tenant, of, 1)["status"] == "building"
    due(tenant)
    build_once(tenant)
    work(tenant)
    ready = get(tenant, of, 1)
    assert (ready["status"], ready["examples"]) == ("ready", 5)
    assert len(stored(tenant)) == 2  # the upload and the version
    assert run(tenant, "select count(*) from files").scalar_one() == 2
    assert scratch() == []


def test_a_kill_in_the_middle_of_the_bytes_leaves_none(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))
    before = stored(tenant)
    write = ObjectStore.write

    def cut_off(store: ObjectStore, key: str, chunks: Iterable[bytes]) -> None:
        def some() -> Iterable[bytes]:
            yield next(iter(chunks))[:10]
            raise Killed
        write(store, key, some())

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "write", cut_off)
        with pytest.raises(Killed):
            build_once(tenant)
    assert stored(tenant) == before
    due(tenant)
    build_once(tenant)
    assert tenant.client.get(f"{DATASETS}/{of}/versions/1/content").content == chats(5)


def test_building_it_twice_makes_the_same_once(tenant: Tenant) -> None:
    of = dataset(tenant)
    version = built(tenant, of, chats(5))
    run(tenant, "insert into work_items (id, project_id, kind, queue, subject)"
                " values ('work_x', :project, 'datasets.build_version', 'datasets', :version)",
        project=tenant.project_id, version=version["id"])
    work(tenant)
    assert get(tenant, of, 1) == version
    assert len(stored(tenant)) == 2


def test_a_worker_that_was_overtaken_changes_nothing(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))
    make = versions._make

    def slowly(*args: Any) -> Any:
        told = make(*args)
        monkeypatch.setattr(versions, "_make", make)
        due(tenant)
        build_once(tenant)  # another worker, for which this one is dead
        return told

    monkeypatch.setattr(versions, "_make", slowly)
    build_once(tenant)
    assert get(tenant, of, 1)["sha256"] == hashlib.sha256(chats(5)).hexdigest()
    assert run(tenant, "select count(*) from files").scalar_one() == 2


@pytest.mark.parametrize("erase", ["", "?erase=true"])
def test_one_that_is_deleted_while_it_is_built_leaves_no_bytes(tenant: Tenant, monkeypatch: pytest.MonkeyPatch,
                                                               erase: str) -> None:
    of = dataset(tenant)
    version = asked(tenant, of, chats(5))
    make = versions._make

    def meanwhile(*args: Any) -> Any:
        told = make(*args)
        assert tenant.client.delete(f"{DATASETS}/{of}/versions/1{erase}").status_code == 200
        return told

    monkeypatch.setattr(versions, "_make", meanwhile)
    build_once(tenant)
    work(tenant)
    assert tenant.client.get(f"{DATASETS}/{of}/versions/{version['id']}").status_code == 404
    assert len(stored(tenant)) == 1


def test_bytes_of_a_build_that_is_never_finished_are_erased_in_the_end(tenant: Tenant,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))
    monkeypatch.setattr(building, "record_built", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        build_once(tenant)
    assert len(stored(tenant)) == 2
    run(tenant, "update work_items set run_at = now() where kind = 'files.erase'")
    work(tenant)
    assert len(stored(tenant)) == 1


def test_a_store_that_is_away_is_tried_again_and_in_the_end_told(tenant: Tenant,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))
    with monkeypatch.context() as patch:
        patch.setenv("TUNEWORKS_STORAGE_URL", "file:///proc/no/such/place")
        settings.cache_clear()
        build_once(tenant)
        assert get(tenant, of, 1)["status"] == "building"
        run(tenant, "update work_items set run_at = now(), failures = :most", most=MAX_FAILURES)
        build_once(tenant)
    settings.cache_clear()
    failed = get(tenant, of, 1)
    assert failed["status"] == "failed"
    assert "The object store is not reachable" in failed["error"]


def test_one_over_which_workers_die_fails_in_the_end(tenant: Tenant) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))
    run(tenant, "update work_items set crashes = :most where kind = 'datasets.build_version'", most=MAX_CRASHES + 1)
    build_once(tenant)
    assert "workers that died over it" in get(tenant, of, 1)["error"]


def test_a_worker_that_shuts_down_leaves_it_to_another(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset(tenant)
    asked(tenant, of, chats(5))
    with monkeypatch.context() as patch:
        patch.setattr(app.Running, "must_stop", property(lambda _: True))
        build_once(tenant)
    assert get(tenant, of, 1)["status"] == "building"
    assert run(tenant, "select failures + crashes from work_items where kind = 'datasets.build_version'"
               ).scalar_one() == 0
    work(tenant)
    assert get(tenant, of, 1)["status"] == "ready"


@pytest.mark.parametrize("how", ["row", "bytes"])
def test_a_source_that_is_gone_is_told(tenant: Tenant, how: str) -> None:
    of = dataset(tenant)
    version = asked(tenant, of, chats(5))
    file_id = version["source"]["file_id"]
    if how == "row":
        tenant.client.delete(f"/v1/files/{file_id}")
    else:
        storage().delete(file_key(tenant.project_id, file_id))
    work(tenant)
    failed = get(tenant, of, 1)
    assert failed["status"] == "failed"
    assert ("deleted or expired" if how == "row" else "gone from the object store") in failed["error"]


def test_nothing_left_is_no_version(tenant: Tenant) -> None:
    of = dataset(tenant)
    version = built(tenant, of, chats(5))
    transform(tenant, of, version["id"], type="take", examples=1, skip=9)
    work(tenant)
    assert "Nothing is left" in get(tenant, of, 2)["error"]
    assert len(stored(tenant)) == 2


def test_blank_lines_and_a_missing_newline_are_counted_right(tenant: Tenant) -> None:
    of = dataset(tenant)
    data = chats(2) + b"\n  \r\n\n" + chats(1).rstrip()
    assert built(tenant, of, data)["examples"] == 3


def test_lines_longer_than_any_piece_pass_whole(tenant: Tenant) -> None:
    of = dataset(tenant)
    data = b'{"messages": "' + b"x" * (3 * 1024 * 1024) + b'"}\n' + chats(2)
    version = built(tenant, of, data)
    assert (version["examples"], version["sha256"]) == (3, hashlib.sha256(data).hexdigest())


class TestJobs:
    def test_a_job_waits_for_the_version_it_names(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        version = asked(tenant, of, chats(12))
        job = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": version["id"]}).json()
        assert (job["status"], job["training_dataset_version"]) == ("validating_files", version["id"])
        with transaction(tenant.scope) as session:
            assert jobs.prepare(session, job["id"]) is True
        work(tenant)
        with transaction(tenant.scope) as session:
            assert jobs.prepare(session, job["id"]) is False
        assert reload(tenant, job["id"]).status == "queued"
        assert reload(tenant, job["id"]).training_file == get(tenant, of, 1)["file_id"]

    @pytest.mark.parametrize("how", ["failed", "deleted"])
    def test_a_job_fails_with_the_version_it_waits_for(self, tenant: Tenant, how: str) -> None:
        of = dataset(tenant)
        version = asked(tenant, of, chats(12), shape="nonsense" if how == "failed" else None)
        job = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": version["id"]}).json()
        if how == "deleted":
            tenant.client.delete(f"{DATASETS}/{of}/versions/1?erase=true")
        work_off(tenant)
        with transaction(tenant.scope) as session:
            assert jobs.prepare(session, job["id"]) is False
        told = reload(tenant, job["id"]).error
        assert told is not None
        assert told["code"] == ("invalid_training_file" if how == "failed" else "deleted_training_file")
