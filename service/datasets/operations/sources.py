"""What a file would become as a version, from its beginning and without making anything."""

from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from service.datasets.errors import NotASource
from service.datasets.operations.beginnings import beginning
from service.datasets.operations.building import SOURCES, Input
from service.datasets.operations.examples import parsed
from service.datasets.operations.storing import storable_text
from service.datasets.schemas.versions import SourcePreview, SourcePreviewCreate
from service.files import operations as files
from service.files.errors import NoSuchFile
from service.kit.storage import ObjectMissing, storage
from service.settings import MiB

_HEAD_BYTES = 4 * MiB
_WHOLE_BYTES = 64 * MiB
_SHOWN = 20_000  # characters of an example; a longer one is not shown
_WHOLE = (b"PAR1",)
"""How files begin that can only be read whole."""


def source_of(session: Session, file_id: str) -> Input:
    """The bytes of a file that a version may be made from. Raises NoSuchFile, NotASource."""
    file = files.get(session, file_id)
    if file.purpose not in SOURCES:
        raise NotASource(file.purpose)
    return Input(file.object_key, file.filename)


def preview(source: Input, body: SourcePreviewCreate, scratch: Path) -> SourcePreview:
    """The first examples that conversion would make. Raises NoSuchFile."""
    path = scratch / "source"
    try:
        is_whole = _fetch(source.object_key, path)
    except ObjectMissing as gone:
        raise NoSuchFile(body.source.file_id) from gone
    begun = beginning(path, filename=source.filename, shape=body.source.shape, mapping=body.source.mapping,
                      limit=body.limit)
    told, examples, problem = begun.told, [_shown(line) for line in begun.lines], None
    if begun.problem is not None and (is_whole or not examples):
        problem = storable_text(begun.problem[:1000])
    if problem is None and told.left_out and len(examples) < body.limit:
        problem = "Left out: " + ", ".join(f"{number} ({reason})" for reason, number in told.left_out.items())
    return SourcePreview(file_id=body.source.file_id, shape=told.shape, mapping=told.mapping, examples=examples,
                         problem=problem, remarks=told.remarks)


def _fetch(key: str, path: Path) -> bool:
    """Bring the beginning of an object here, or all of it where it must be; whether it is all."""
    size = storage().size(key)
    head = storage().read_range(key, 0, min(size, _HEAD_BYTES)) if size else b""
    with path.open("wb") as file:
        file.write(head)
        if head.startswith(_WHOLE) and size <= _WHOLE_BYTES:
            for start in range(len(head), size, _HEAD_BYTES):
                file.write(storage().read_range(key, start, min(_HEAD_BYTES, size - start)))
        return file.tell() == size


def _shown(line: bytes) -> dict[str, Any]:
    text = line.decode("utf-8-sig", errors="replace")
    if len(text) > _SHOWN:
        return {"too_long_to_show": len(text)}
    shown = parsed(line.removeprefix(BOM_UTF8))
    return {"not_an_object": text} if shown is None else shown
