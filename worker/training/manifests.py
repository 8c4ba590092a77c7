"""Makes directories that are whole or not there: a manifest of sha256 sums, a flush to disk, and one rename."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

MANIFEST = "manifest.json"


class Entry(msgspec.Struct, frozen=True):
    """One file of a directory."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True):
    """The files of a directory by their path inside it, and what the directory is."""

    files: dict[str, Entry]
    about: dict[str, str | int | bool] = {}


@contextlib.contextmanager
def whole_directory(destination: Path, *, about: dict[str, str | int | bool] | None = None) -> Iterator[Path]:
    """Yield a directory to fill; it becomes `destination` when the block ends well and vanishes when it does not.

    An older `destination` is replaced. Raises OSError, ENOSPC among them.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
    try:
        building.chmod(0o755)
        yield building
        _write_manifest(building, about or {})
        if destination.exists():
            shutil.rmtree(destination)
        building.rename(destination)
        _flush(destination.parent)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def read_manifest(directory: Path) -> Manifest | None:
    """Read a directory's manifest, or None where there is none that can be read."""
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def is_whole(directory: Path) -> bool:
    """Whether every file of the manifest is there with its size and sha256 (reads all bytes)."""
    manifest = read_manifest(directory)
    if manifest is None:
        return False
    try:
        return all(_entry(directory / name) == entry for name, entry in manifest.files.items())
    except OSError:
        return False


def remove_leftovers(parent: Path, name: str) -> None:
    """Remove what a killed process left of building `name` under `parent`."""
    for leftover in parent.glob(f".{name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _write_manifest(directory: Path, about: dict[str, str | int | bool]) -> None:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    manifest = Manifest({str(path.relative_to(directory)): _entry(path) for path in files}, about)
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    for path in files:  # safetensors writes for its owner only; serving may be another user
        path.chmod(0o644)
    for path in [*files, directory / MANIFEST, *(path for path in directory.rglob("*") if path.is_dir()), directory]:
        _flush(path)


def _entry(path: Path) -> Entry:
    with path.open("rb") as file:
        return Entry(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
