"""The object store: bytes come back as they went in, whole or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.kit.storage import ObjectMissing, ObjectStore, StorageUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "yet"


@pytest.fixture
def store(root: Path) -> ObjectStore:
    return ObjectStore(f"file://{root}", {})


def on_disk(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


async def many(*chunks: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if then is not None:
        raise then


@pytest.mark.parametrize("data", [b"", b"x", b"0123456789" * 1_200_000], ids=["empty", "one", "three parts"])
def test_bytes_come_back_as_they_went_in(store: ObjectStore, data: bytes) -> None:
    store.write("a/whole", data)
    store.write("a/pieces", (data[start:start + 70_001] for start in range(0, len(data), 70_001)))
    for key in ("a/whole", "a/pieces"):
        assert store.size(key) == len(data)
        assert b"".join(store.read(key)) == data


def test_a_range_is_a_part_of_the_bytes(store: ObjectStore) -> None:
    store.write("digits", b"0123456789")
    assert store.read_range("digits", 3, 4) == b"3456"
    assert list(store.read("digits", chunk=4)) == [b"0123", b"4567", b"89"]


def test_routes_write_and_read_without_blocking(store: ObjectStore) -> None:
    async def scenario() -> tuple[int, bytes]:
        await store.write_async("a/b", many(b"one ", b"two"))
        size, chunks = await store.open_async("a/b")
        return size, b"".join([chunk async for chunk in chunks])
    assert asyncio.run(scenario()) == (7, b"one two")


def test_an_object_can_be_made_of_others(store: ObjectStore) -> None:
    store.write("part/1", b"one ")
    store.write("part/2", b"two")
    store.write("whole", (chunk for key in store.keys("part") for chunk in store.read(key)))
    assert store.read_range("whole", 0, 7) == b"one two"


def test_a_stream_that_breaks_off_leaves_nothing(store: ObjectStore, root: Path) -> None:
    broken = ValueError("the client went away")
    with pytest.raises(ValueError, match="went away") as raised:
        asyncio.run(store.write_async("a/b", many(b"x" * 6_000_000, b"y" * 6_000_000, then=broken)))
    assert raised.value is broken
    assert on_disk(root) == []


def test_a_worker_that_breaks_off_leaves_what_was_there(store: ObjectStore, root: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"n" * 12_000_000
        raise ValueError
    store.write("a/b", b"old")
    with pytest.raises(ValueError):
        store.write("a/b", breaking())
    assert store.read_range("a/b", 0, 3) == b"old"
    assert on_disk(root) == ["a/b"]


def test_a_cancelled_write_leaves_nothing(store: ObjectStore, root: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000
            await asyncio.sleep(0.005)

    async def scenario() -> None:
        writing = asyncio.create_task(store.write_async("a/b", endless()))
        await asyncio.sleep(0.2)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        for _ in range(100):
            if not on_disk(root):
                return
            await asyncio.sleep(0.02)
    asyncio.run(scenario())
    assert on_disk(root) == []


def test_what_is_missing_says_so(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.size("nothing")
    with pytest.raises(ObjectMissing):
        list(store.read("nothing"))
    with pytest.raises(ObjectMissing):
        asyncio.run(store.open_async("nothing"))
    with pytest.raises(ObjectMissing):
        store.write("copy", store.read("nothing"))
    assert store.keys("nothing") == []


def test_erasing_is_final_and_may_be_repeated(store: ObjectStore) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        store.write(key, b"x")
    store.delete("a/1")
    store.delete("a/1")
    asyncio.run(store.delete_async("a/1"))
    store.delete_prefix("a")
    store.delete_prefix("a")
    assert store.keys("a") == []
    assert store.keys("ab") == ["ab/3"]


def test_a_directory_goes_in_and_comes_out(store: ObjectStore, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "weights.bin").write_bytes(b"w" * 9_000_000)
    (source / "manifest.json").write_bytes(b"{}")
    assert store.upload_dir(source, "models/m") == ["models/m/deep/weights.bin", "models/m/manifest.json"]
    store.download_dir("models/m", copy)
    assert on_disk(copy) == on_disk(source)
    assert (copy / "deep" / "weights.bin").read_bytes() == b"w" * 9_000_000


def test_a_store_that_cannot_be_reached_is_unavailable() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        unused_port = listener.getsockname()[1]
    store = ObjectStore("s3://bucket/prefix", {
        "endpoint": f"http://127.0.0.1:{unused_port}", "region": "us-east-1", "access_key_id": "x",
        "secret_access_key": "y"})
    with pytest.raises(StorageUnavailable) as raised:
        store.size("key")
    assert (raised.value.status, raised.value.headers["retry-after"]) == (503, "5")


def test_a_store_without_a_place_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable):
        ObjectStore(f"file://{tmp_path}/file/objects", {})
