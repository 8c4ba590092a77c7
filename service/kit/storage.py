"""The object store: bytes in a local directory, S3, GCS or Azure, streamed both ways in constant memory.

A key is there whole or not at all: bytes are staged and appear when the last one is written, and a stream that
breaks off leaves nothing. Keys never change what they hold, so a reader may ask for one range after another.
"""

import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from service.kit.errors import Unavailable
from service.settings import MiB, settings

_log = logging.getLogger(__name__)
_PART_BYTES = 5 * MiB  # the smallest part that S3 takes
_PARTS_IN_FLIGHT = 2
READ_BYTES = 4 * MiB
"""Bytes of one read: large enough for a store far away, small enough for many readers at once."""


class ObjectMissing(FileNotFoundError):
    """No object has this key."""


class StorageUnavailable(Unavailable):
    """The store did not do what it was asked; the log says why."""

    def __init__(self) -> None:
        super().__init__("The object store is not reachable right now. Try again shortly.", retry_after=5)


class ObjectStore:
    """One store. Methods ending in `_async` are for routes, the others for workers; all raise StorageUnavailable."""

    def __init__(self, url: str, options: dict[str, str]) -> None:
        with _translated():
            self._store = _open(url, options)

    # -- writing -----------------------------------------------------------------------------------------
    async def write_async(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Store what `chunks` yields. Whatever it raises comes out of here, and then nothing is stored."""
        with _translated():
            await obstore.put_async(self._store, key, chunks, chunk_size=_PART_BYTES,
                                    max_concurrency=_PARTS_IN_FLIGHT)

    def write(self, key: str, chunks: bytes | Path | Iterable[bytes]) -> None:
        """The same for workers; a path is read from disk as it goes."""
        with _translated():
            if isinstance(chunks, bytes | Path):
                obstore.put(self._store, key, chunks, chunk_size=_PART_BYTES, max_concurrency=_PARTS_IN_FLIGHT)
                return
            # Not put(): it would iterate inside the store's own runtime, where `chunks` could not read from it.
            # A writer that is dropped before it is closed leaves nothing that anybody could read.
            writer = obstore.open_writer(self._store, key, buffer_size=_PART_BYTES, max_concurrency=_PARTS_IN_FLIGHT)
            for chunk in chunks:
                writer.write(chunk)
            writer.close()

    # -- reading -----------------------------------------------------------------------------------------
    def size(self, key: str) -> int:
        """Bytes under `key`. Raises ObjectMissing."""
        with _translated(key):
            return obstore.head(self._store, key)["size"]

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, which lies within the object. Raises ObjectMissing."""
        with _translated(key):
            return obstore.get_range(self._store, key, start=start, length=length).to_bytes()

    def read(self, key: str, *, chunk: int = READ_BYTES) -> Iterator[bytes]:
        """The bytes under `key`, `chunk` at a time. Raises ObjectMissing."""
        total = self.size(key)
        for start in range(0, total, chunk):
            yield self.read_range(key, start, min(chunk, total - start))

    async def open_async(self, key: str, *, chunk: int = READ_BYTES) -> tuple[int, AsyncIterator[bytes]]:
        """The size of an object and its bytes, `chunk` at a time.

        Raises ObjectMissing here, before the first byte is sent.
        """
        with _translated(key):
            total = (await obstore.head_async(self._store, key))["size"]
        return total, self._stream(key, total, chunk)

    async def _stream(self, key: str, total: int, chunk: int) -> AsyncIterator[bytes]:
        for start in range(0, total, chunk):
            yield await self._range(key, start, min(chunk, total - start))

    async def _range(self, key: str, start: int, length: int) -> bytes:
        with _translated(key):
            return (await obstore.get_range_async(self._store, key, start=start, length=length)).to_bytes()

    # -- erasing -----------------------------------------------------------------------------------------
    def delete(self, key: str) -> None:
        """Erase an object; one that is gone already is no error."""
        with _translated(), _gone_is_fine():
            obstore.delete(self._store, key)

    async def delete_async(self, key: str) -> None:
        with _translated(), _gone_is_fine():
            await obstore.delete_async(self._store, key)

    def delete_prefix(self, prefix: str) -> None:
        """Erase everything under `prefix/`."""
        for key in self.keys(prefix):
            self.delete(key)

    # -- directories -------------------------------------------------------------------------------------
    def keys(self, prefix: str) -> list[str]:
        """Every key under `prefix/`, sorted."""
        prefix = prefix.rstrip("/")
        with _translated(), _gone_is_fine():
            return sorted(meta["path"] for page in obstore.list(self._store, prefix) for meta in page)
        return []

    def upload_dir(self, directory: Path, prefix: str) -> list[str]:
        """Store every file below `directory` under `prefix/<its path>`; the keys, sorted."""
        prefix = prefix.rstrip("/")
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        keys = [f"{prefix}/{path.relative_to(directory).as_posix()}" for path in files]
        for key, path in zip(keys, files, strict=True):
            self.write(key, path)
        return keys

    def download_dir(self, prefix: str, directory: Path) -> list[Path]:
        """Copy everything under `prefix/` into `directory`; each file appears when it is whole."""
        prefix = prefix.rstrip("/")
        paths = []
        for key in self.keys(prefix):
            path = directory / key.removeprefix(f"{prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            with partial.open("wb") as file:
                file.writelines(self.read(key))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            paths.append(path)
        return paths


def storage() -> ObjectStore:
    """The store that the settings name; opened once per process and per URL.

    A process must not fork after its first use: the store's threads do not survive that.
    """
    return _opened(settings().storage_url, tuple(sorted(settings().storage_options.items())))


@cache
def _opened(url: str, options: tuple[tuple[str, str], ...]) -> ObjectStore:
    return ObjectStore(url, dict(options))


def _open(url: str, options: dict[str, str]) -> Any:
    if url.startswith("file://"):
        return LocalStore(Path(url.removeprefix("file://")), mkdir=True, automatic_cleanup=True)
    config: Any = options  # its keys are the operator's to choose; the store refuses those that it does not know
    plain = any(value.startswith("http://") for value in options.values())
    return from_url(url, config=config,
                    client_options={"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60),
                                    "allow_http": plain},
                    retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)})


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return


@contextmanager
def _translated(key: str | None = None) -> Iterator[None]:
    """The store's errors as ours. With `key`, "not found" speaks of that object and not of the store."""
    try:
        yield
    except ObjectMissing:  # of another object, which the bytes to be written were to come from
        raise
    except FileNotFoundError as missing:
        if key is None:
            raise _unavailable(missing) from missing
        raise ObjectMissing(key) from missing
    except (BaseError, OSError) as trouble:
        raise _unavailable(trouble) from trouble


def _unavailable(trouble: Exception) -> StorageUnavailable:
    _log.warning("object store: %s", str(trouble).partition("\n")[0])
    return StorageUnavailable()
