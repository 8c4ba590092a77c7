"""Workers killed while they read a large file or build a version: nothing is read twice, and nothing differs."""

import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from openai import OpenAI

from tests.fixtures.whole_house import WholeHouse, running_house, until
from tests.system.nemesis import Nemesis
from tests.system.test_datasets import analysed, ask, tell

_SEGMENT_BYTES = 256 * 1024
_LINES = 30_000
_KILLED_AT = (8, 16, 24)
"""Segments that are read when the next blow falls."""
_TURNSTILE = """
    create table if not exists segments_seen (id bigserial, object_key text not null);
    create or replace function see_segment() returns trigger language plpgsql security definer as $$
    begin
        insert into segments_seen (object_key) values (new.object_key);
        perform pg_sleep(0.2);
        return null;
    end $$;
    create or replace trigger see after update of object_key on dataset_segments for each row
        when (new.object_key is not null) execute function see_segment();
"""
"""Remembers which segments are read, and lets one through every 0.2 s: no machine is through before a blow falls."""


@pytest.fixture(scope="module")
def house(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    with running_house(tmp_path_factory.mktemp("dataset-kills"), tiny_base, "--no-training",
                       TUNEWORKS_SEGMENT_BYTES=str(_SEGMENT_BYTES)) as house:
        yield house


@pytest.fixture
def client(house: WholeHouse) -> Iterator[OpenAI]:
    with house.client(max_retries=0) as client:
        yield client


class Witness:
    """Looks into a house's database and object store: what is read, and when that was written."""

    def __init__(self, house: WholeHouse, client: OpenAI) -> None:
        self._url = house.setting("database_url")
        self._data_dir = house.data_dir
        self._project = ask(client, "/fine_tuning/policy")["project_id"]
        with psycopg.connect(self._url) as connection:
            connection.execute(_TURNSTILE)

    def _rows(self, role: str, query: LiteralString) -> list[Any]:
        with psycopg.connect(self._url) as connection:
            connection.execute("select set_config('role', %s, true), set_config('app.project_id', %s, true)",
                               (role, self._project))
            return connection.execute(query).fetchall()

    def seen(self) -> Counter[str]:
        """How often each segment was recorded as read, by its key."""
        with psycopg.connect(self._url) as connection:
            return Counter(key for (key,) in connection.execute("select object_key from segments_seen"))

    def stored(self) -> dict[str, tuple[int, int]]:
        """Which bytes hold what was told of each segment that is read, by its key."""
        rows = self._rows("tuneworks_app", "select object_key from dataset_segments where object_key is not null")
        found = {}
        for (key,) in rows:
            with suppress(FileNotFoundError, StopIteration):  # erased since, when the whole file was read
                path = next(self._data_dir.glob(f"*/{key}"))
                found[key] = (path.stat().st_ino, path.stat().st_mtime_ns)
        return found

    def fences(self, kind: str) -> dict[str, int]:
        rows = self._rows("tuneworks_dispatch", "select kind, subject, fence from work_items")
        return {subject: fence for found, subject, fence in rows if found == kind}


def lines() -> bytes:
    words, choice = [f"word{number}" for number in range(500)], random.Random(5)
    return b"".join(json.dumps({"messages": [
        {"role": "user", "content": " ".join(choice.choices(words, k=20))},
        {"role": "assistant", "content": f"{number}: " + " ".join(choice.choices(words, k=20))}]}).encode() + b"\n"
        for number in range(_LINES))


def upload(client: OpenAI, content: bytes) -> str:
    return client.files.create(file=("large.jsonl", io.BytesIO(content)), purpose="fine-tune").id


def told(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in {"file_id", "started_at", "completed_at"}}


def test_segments_that_are_read_stay_read_and_the_report_is_that_of_an_undisturbed_reading(
        house: WholeHouse, client: OpenAI) -> None:
    nemesis, witness, content = Nemesis(house, 7), Witness(house, client), lines()
    file_id = upload(client, content)
    stored: dict[str, set[tuple[int, int]]] = defaultdict(set)

    def read() -> int:
        for key, place in witness.stored().items():
            stored[key].add(place)
        return len(witness.seen())

    for number in _KILLED_AT:
        until(lambda number=number: read() >= number, 180, f"{number} segments are read")  # type: ignore[misc]  # the default binds it
        nemesis.worker_child()
    nemesis.worker()

    def completed() -> bool:
        read()
        return bool(ask(client, f"/files/{file_id}/validation")["status"] == "completed")
    until(completed, 180, "the file is read")
    assert set(witness.seen().values()) == {1}
    assert {key: places for key, places in stored.items() if len(places) > 1} == {}
    assert len(stored) >= max(_KILLED_AT)
    disturbed, undisturbed = told(analysed(client, file_id)), told(analysed(client, upload(client, content)))
    assert disturbed == undisturbed
    assert (disturbed["lines"], disturbed["examples"], disturbed["errors"]) == (_LINES, _LINES, 0)
    until(lambda: witness.fences("datasets.validate") == {}, 30, "no work is left over")


def test_a_version_whose_builder_is_killed_is_built_to_the_same_bytes(house: WholeHouse, client: OpenAI) -> None:
    nemesis, witness, file_id = Nemesis(house, 8), Witness(house, client), upload(client, lines())

    def build(name: str) -> tuple[str, str]:
        dataset = tell(client, "/datasets", {"name": name})["id"]
        first = tell(client, f"/datasets/{dataset}/versions", {"source": {"type": "file", "file_id": file_id}})
        made = tell(client, f"/datasets/{dataset}/versions", {"source": {
            "type": "transformation", "transformation": {"type": "redact"}, "versions": [first["id"]]}})
        return made["id"], f"/datasets/{dataset}/versions/{made['id']}"
    version, place = build("disturbed")
    for _ in range(2):
        before = witness.fences("datasets.build_version").get(version, 0)
        until(lambda before=before: witness.fences("datasets.build_version").get(version, 0) > before  # type: ignore[misc]  # the default binds it
              or ask(client, place)["status"] != "building", 180, "the version is being built")
        nemesis.worker_child()
    until(lambda: ask(client, place)["status"] != "building", 180, "the version is built")
    _, other = build("undisturbed")
    until(lambda: ask(client, other)["status"] != "building", 180, "the other is built")
    shown = [{name: ask(client, each)[name] for name in ("status", "sha256", "bytes", "examples", "counts")}
             for each in (place, other)]
    assert shown[0] == shown[1]
    assert (shown[0]["status"], shown[0]["examples"]) == ("ready", _LINES)
