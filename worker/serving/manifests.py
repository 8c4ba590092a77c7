"""Checks a model directory against the manifest its training wrote, so that altered weights never serve."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .refusals import invalid

NAME = "manifest.json"
_CHUNK = 1 << 20  # bytes


def folder(path: str, *, needs: Iterable[str]) -> Path:
    """The directory a caller named, which must hold the given files."""
    try:
        found = Path(path).resolve(strict=True)
        missing = [name for name in needs if not (found / name).is_file()]
    except (OSError, ValueError, RuntimeError):  # absent, unreadable, NUL in the name, link loop
        raise invalid(f"No directory found for {path[:300]!r}.", code="path_not_found") from None
    if missing:
        raise invalid(f"'{path[:300]}' lacks {', '.join(missing)}.", code="path_not_found")
    return found


def verify(directory: Path, *, required: bool) -> None:
    """Compare every listed file's size and sha256; a weight file that is not listed is refused as well."""
    if not (directory / NAME).exists():
        if required:
            message = f"'{directory}' has no {NAME}, so its weights cannot be verified."
            raise invalid(message, code="manifest_missing")
        return
    listed = _read(directory)
    for name, entry in listed.items():
        _check(directory, name, entry)
    for weights in directory.glob("*.safetensors"):
        if weights.name not in listed:
            raise invalid(f"'{weights.name}' is not in {NAME}.", code="manifest_mismatch")


def fingerprint(directory: Path) -> str:
    """A short name for exactly this model: of its manifest, else of its configuration and weight sizes."""
    digest = hashlib.sha256()
    if (directory / NAME).exists():
        digest.update((directory / NAME).read_bytes())
    else:
        sizes = sorted((file.name, file.stat().st_size) for file in directory.glob("*.safetensors"))
        digest.update(repr(sizes).encode())
    return f"fp_{digest.hexdigest()[:10]}"


def _read(directory: Path) -> dict[str, Any]:
    try:
        files = json.loads((directory / NAME).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise invalid(f"{NAME} in '{directory}' is not readable.", code="manifest_mismatch") from None
    if not isinstance(files, dict):
        raise invalid(f"{NAME} in '{directory}' lists no files.", code="manifest_mismatch")
    return files


def _check(directory: Path, name: str, entry: Any) -> None:
    file = directory / name
    if not file.resolve().is_relative_to(directory) or not file.is_file():
        raise invalid(f"{NAME} lists '{name}', which is not there.", code="manifest_mismatch")
    if not isinstance(entry, dict) or entry.get("size") != file.stat().st_size or entry.get("sha256") != _sha256(file):
        raise invalid(f"'{name}' is not the file that {NAME} describes.", code="manifest_mismatch")


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
