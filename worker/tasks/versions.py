"""Builds versions of data sets, and previews of what training would learn from them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from service.datasets.operations import applying, building, making
from service.datasets.operations.building import Build, Built, Input
from service.datasets.operations.making import NEED_ANALYSIS, CannotBeMade, Lines, Told
from service.datasets.transformation.reviewed import Changes, apply_review
from service.files.contents import Meter
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from service.settings import MiB, settings
from worker.app import Running, Transient, task, unit_of_work

_LOST = "The bytes that it was to be made from are gone from the object store."
_EMPTY = "Nothing is left: not one line of the source made it into the version."
_PIECE = MiB
_SHOWN = 100  # rows that could not be converted


class _Stopping(Exception):
    """The worker shuts down; another starts over."""


@task(Work.BUILD_VERSION)
def build(running: Running) -> timedelta | None:
    """Make the bytes of one version and store them under the key that was chosen for them.

    Killed at any point it is repeated, and stores the same bytes under the same key; the version is ready, and has a
    file, in the transaction that ends it.
    """
    claim = running.claim
    with unit_of_work(claim) as session:
        plan = building.begin_build(session, claim.subject)
        reviewed = applying.changes_for(session, plan.source) if isinstance(plan, Build) else None
    if not isinstance(plan, Build):
        return plan
    try:
        with scratch(claim) as directory:
            built = _make(plan, directory, running, reviewed)
    except CannotBeMade as wrong:
        with unit_of_work(claim) as session:
            building.record_unbuildable(session, plan.version_id, str(wrong))
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable
    except _Stopping:
        return timedelta(0)
    else:
        with unit_of_work(claim) as session:
            building.record_built(session, plan.version_id, built)
    return None


@build.abandoned
def _cannot_be_built(session: Session, claim: Claim, cause: str) -> None:
    building.record_unbuildable(session, claim.subject, f"It was tried several times: {cause}")


@contextmanager
def scratch(claim: Claim) -> Iterator[Path]:
    """A directory for one try, without what tries that were cut short have left."""
    place = settings().work_dir / "datasets"
    for left in place.glob(f"{claim.subject}-*"):
        shutil.rmtree(left, ignore_errors=True)
    directory = place / f"{claim.subject}-{claim.fence}"
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make(plan: Build, directory: Path, running: Running, reviewed: Changes | None) -> Built:
    paths = [_fetched(each, directory / str(number), running) for number, each in enumerate(plan.inputs)]
    told, counted = Told(), _Counted()
    lines = _lines(plan, paths, told, running) if reviewed is None else _as_reviewed(paths[0], reviewed, told)
    try:
        storage().write(plan.object_key, counted.passing(lines, running))
    except (CannotBeMade, StorageUnavailable, _Stopping):
        raise
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as wrong:  # data is odd
        raise CannotBeMade(f"The source could not be read: {wrong}") from wrong
    if not counted.examples:
        raise CannotBeMade(_EMPTY)
    detected = {name: value for name, value in (("shape", told.shape), ("mapping", told.mapping)) if value is not None}
    return Built(counted.meter.sha256, counted.meter.bytes, counted.examples,
                 {"written": counted.examples, "left_out": dict(told.left_out), "remarks": told.remarks,
                  "skipped": [{"row": row, "reason": reason} for row, reason in told.skipped[:_SHOWN]]}, detected)


def _lines(plan: Build, paths: list[Path], told: Told, running: Running) -> Iterator[bytes]:
    source = plan.source
    if source["type"] == "file":
        return making.convert(paths[0], filename=plan.inputs[0].filename, shape=source["shape"],
                              mapping=source["mapping"], told=told, advance=running.advance)
    spec = source["transformation"]
    lines = [Lines(path, _columns(each, path, spec)) for each, path in zip(plan.inputs, paths, strict=True)]
    return making.transform(spec, source.get("part"), lines, told=told, advance=running.advance)


def _columns(source: Input, path: Path, spec: dict[str, Any]) -> Path | None:
    """What the analysis of a source knows, where a transformation asks for it; it is analysed anew where it is not."""
    if source.columns_key is None or spec["type"] not in NEED_ANALYSIS:
        return None
    columns = path.with_suffix(".npz")
    try:
        with columns.open("wb") as file:
            file.writelines(storage().read(source.columns_key))
    except ObjectMissing:
        return None
    return columns


def _as_reviewed(path: Path, reviewed: Changes, told: Told) -> Iterator[bytes]:
    """Without what reviewers rejected, with what they edited."""
    if reviewed.dropped:
        told.leave_out("rejected", len(reviewed.dropped))
    with path.open("rb") as file:
        yield from apply_review(iter(lambda: file.read(_PIECE), b""), reviewed)


def _fetched(source: Input, path: Path, running: Running) -> Path:
    """The bytes of a source on this machine's disk, where they can be read twice and at any place."""
    try:
        with path.open("wb") as file:
            for chunk in storage().read(source.object_key):
                file.write(chunk)
                _check(running, f"fetched {file.tell()} of {source.object_key}")
    except ObjectMissing as lost:
        raise CannotBeMade(_LOST) from lost
    return path


def _check(running: Running, marker: str) -> None:
    running.advance(marker)
    if running.must_stop:
        raise _Stopping


class _Counted:
    """Bytes on their way to the store: gathered to pieces worth sending, digested, and their lines counted."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.examples = 0
        self._has_text = False

    def passing(self, lines: Iterator[bytes], running: Running) -> Iterator[bytes]:
        held = bytearray()
        for line in lines:
            held += line
            if len(held) >= _PIECE:
                yield self._count(held, running)
                held = bytearray()
        if held:
            yield self._count(held, running)
        self.examples += self._has_text

    def _count(self, piece: bytearray, running: Running) -> bytes:
        whole = bytes(piece)
        self.meter.feed(whole)
        for number, part in enumerate(whole.split(b"\n")):
            if number:
                self.examples += self._has_text
                self._has_text = False
            self._has_text = self._has_text or bool(part.strip())
        _check(running, f"written {self.meter.bytes}")
        return whole
