"""Reads files that were uploaded for training, every line of them, and records what that tells.

A small file is read in one piece. A large one is cut into segments that any number of workers read side by side;
what one of them told lies in the object store until the last is read and all are put together. A worker that dies
takes one segment with it, not the file.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from service.datasets import operations as datasets
from service.datasets.analysis.merging import Merged, merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.segments import Segment, analyse_segment, detected
from service.datasets.operations import readings
from service.datasets.operations.places import analysis_prefix, columns_key, segment_key, segments_prefix
from service.datasets.operations.readings import Reading
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from worker.app import Running, Transient, task, unit_of_work
from worker.tasks.reading import Teller, object_bytes, object_ranges

_LOST = "The bytes of this file are gone from the object store. Upload it again."
_OPTIONS = Options()


@task(Work.VALIDATE_FILE)
def validate(running: Running) -> None:
    """Read one file, or have it read in segments and put together what they told."""
    with unit_of_work(running.claim) as session:
        reading = readings.begin(session, running.claim.subject)
    if reading is None:  # read already, or deleted meanwhile
        return
    try:
        match reading.step:
            case "read":
                _read(running, reading)
            case "merge":
                _merge(running, reading)
    except ObjectMissing:
        with unit_of_work(running.claim) as session:
            readings.fail(session, reading.file_id, _LOST)
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable


@task(Work.ANALYSE_SEGMENT)
def analyse(running: Running) -> None:
    """Read one segment of a large file and put what it told into the object store."""
    claim = running.claim
    with unit_of_work(claim) as session:
        piece = readings.piece(session, claim.subject)
    if piece is None:
        return
    try:
        def told(done: int) -> None:
            with unit_of_work(claim) as session:
                readings.note_piece(session, piece, done)
        segment = analyse_segment(
            object_bytes(piece.object_key, piece.start, piece.end), index=piece.number,
            format=piece.format,  # type: ignore[arg-type]  # written by `detected`
            options=_OPTIONS, advance=Teller(running, told))
        key = segment_key(claim.project_id, piece.file_id, piece.number)
        storage().write(key, segment.pack())
        with unit_of_work(claim) as session:
            wanted = readings.finish_piece(session, piece, key)
        if not wanted:
            storage().delete(key)
    except ObjectMissing:
        with unit_of_work(claim) as session:
            readings.fail(session, piece.file_id, _LOST)
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable


@validate.abandoned
def _cannot_be_read(session: Session, claim: Claim, cause: str) -> None:
    readings.fail(session, claim.subject, f"The file could not be validated: {cause}")


@analyse.abandoned
def _segment_cannot_be_read(session: Session, claim: Claim, cause: str) -> None:
    piece = readings.piece(session, claim.subject)
    if piece is not None:
        readings.fail(session, piece.file_id, f"The file could not be validated: {cause}")


def _read(running: Running, reading: Reading) -> None:
    """Cut the file; what turns out to be one piece is read at once."""
    ranges = object_ranges(reading.object_key, reading.size)
    if len(ranges) > 1:
        kind, _ = detected(storage().read(reading.object_key))
        with unit_of_work(running.claim) as session:
            readings.split(session, reading.file_id, ranges, format=kind)
        return

    def told(done: int) -> None:
        with unit_of_work(running.claim) as session:
            readings.note_reading(session, reading.file_id, done)
    segment = analyse_segment(storage().read(reading.object_key), index=0, format=None, options=_OPTIONS,
                              advance=Teller(running, told))
    _settle(running, reading, merge([segment], size=reading.size, options=_OPTIONS))


def _merge(running: Running, reading: Reading) -> None:
    """Put the segments together; those whose objects are gone are read again."""
    there = set(storage().keys(segments_prefix(running.claim.project_id, reading.file_id)))
    if lost := [key for key in reading.keys if key not in there]:
        with unit_of_work(running.claim) as session:
            readings.read_again(session, reading.file_id, lost)
        return
    _settle(running, reading, merge(_unpacked(running, reading.keys), size=reading.size, options=_OPTIONS))


def _settle(running: Running, reading: Reading, merged: Merged) -> None:
    """Store the columns, then the report; what nobody wants any more leaves nothing behind."""
    claim = running.claim
    with tempfile.TemporaryDirectory() as scratch:
        columns = Path(scratch) / "columns.npz"
        merged.columns.save(columns)
        storage().write(columns_key(claim.project_id, reading.file_id), columns)
    with unit_of_work(claim) as session:
        kept = datasets.record_report(session, reading.file_id, merged)
    if not kept:
        storage().delete_prefix(analysis_prefix(claim.project_id, reading.file_id))


def _unpacked(running: Running, keys: Iterable[str]) -> Iterator[Segment]:
    """One segment after another, so that one is held at a time."""
    for key in keys:
        running.advance(key)
        try:
            packed = b"".join(storage().read(key))
        except ObjectMissing as missing:
            raise Transient(f"A segment went while it was wanted: {key}") from missing
        yield Segment.unpack(packed)
