"""What differs between two versions, line by line and in what is known about them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.datasets.errors import TooLargeToCompare
from service.datasets.operations.previews import ready_file
from service.datasets.operations.reports import reports_of
from service.datasets.operations.versions import find_version
from service.datasets.schemas.versions import Comparison, Difference
from service.kit.storage import storage
from service.settings import MiB

MOST_MEBIBYTES = 64
MOST_LINES = 1_000_000
"""Up to so much is compared while the caller waits, one comparison at a time; more is refused."""
_SHOWN = 100
_CANONICAL = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Side:
    """One version, as comparing it needs it."""

    version_id: str
    file_id: str
    object_key: str
    sha256: str


@dataclass(slots=True)
class Lines:
    """Hashes of the lines that are not blank, and their numbers."""

    hashes: NDArray[np.uint64]
    numbers: NDArray[np.int64]


@dataclass(slots=True)
class Counted:
    """How two lists of lines differ."""

    kept: int
    added: int
    removed: int
    order_changed: bool
    added_lines: list[int] = field(default_factory=list)
    removed_lines: list[int] = field(default_factory=list)


def sides(session: Session, dataset_id: str, version: str, other: str) -> tuple[Side, Side]:
    """What to compare. Raises NoSuchDataset, NoSuchVersion, VersionNotReady, TooLargeToCompare."""
    return (_side(session, dataset_id, version, "version"), _side(session, dataset_id, other, "other"))


def _side(session: Session, dataset_id: str, version: str, param: str) -> Side:
    found = find_version(session, dataset_id, version, param=param)
    file = ready_file(session, found)
    if file.bytes > MOST_MEBIBYTES * MiB or (found.examples or 0) > MOST_LINES:
        raise TooLargeToCompare(MOST_MEBIBYTES, MOST_LINES)
    return Side(found.id, file.id, file.object_key, file.sha256)


def compare(one: Side, other: Side) -> Comparison:
    """Read both and say what differs. Raises ObjectMissing, TooLargeToCompare."""
    before = hashed(storage().read(one.object_key))
    after = before if one.sha256 == other.sha256 else hashed(storage().read(other.object_key))
    found = count(before, after)
    return Comparison(
        version_id=one.version_id, other_id=other.version_id, identical=one.sha256 == other.sha256,
        lines=len(before.hashes), other_lines=len(after.hashes), kept=found.kept, added=found.added,
        removed=found.removed, order_changed=found.order_changed, added_lines=found.added_lines,
        removed_lines=found.removed_lines, tokens=None, score=None)


def with_reports(session: Session, found: Comparison, one: Side, other: Side) -> Comparison:
    """The same with what reading every line told about both, once it is known."""
    before, after = reports_of(session, one.file_id), reports_of(session, other.file_id)
    if before is None or after is None:
        return found
    return found.model_copy(update={
        "tokens": _difference(*(report.tokens.billed if report.tokens else None for report in (before, after))),
        "score": _difference(*(report.quality.score if report.quality else None for report in (before, after)))})


def _difference(before: int | None, after: int | None) -> Difference | None:
    if before is None or after is None:
        return None
    return Difference(before=before, after=after, difference=after - before)


def hashed(chunks: Iterable[bytes]) -> Lines:
    """Hash what each line says: JSON of another spacing or order of keys is the same line."""
    hashes, numbers = [], []
    for number, line in enumerate(_lines(chunks), start=1):
        if line.strip():
            hashes.append(_hash(line))
            numbers.append(number)
            if len(hashes) > MOST_LINES:
                raise TooLargeToCompare(MOST_MEBIBYTES, MOST_LINES)
    return Lines(np.array(hashes, dtype=np.uint64), np.array(numbers, dtype=np.int64))


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    yield rest


def _hash(line: bytes) -> int:
    try:
        said = _CANONICAL.encode(msgspec.json.decode(line))
    except (msgspec.MsgspecError, ValueError, RecursionError):  # no JSON: it is compared as it stands
        said = line.strip()
    return xxhash.xxh3_64_intdigest(said)


def count(before: Lines, after: Lines) -> Counted:
    """Which lines come and go, where repeated ones count as often as they stand there."""
    gone, new = _surplus(before.hashes, after.hashes), _surplus(after.hashes, before.hashes)
    stayed, stayed_after = before.hashes[~gone], after.hashes[~new]
    return Counted(kept=len(stayed), added=int(new.sum()), removed=int(gone.sum()),
                   order_changed=not np.array_equal(stayed, stayed_after),
                   added_lines=after.numbers[new][:_SHOWN].tolist(),
                   removed_lines=before.numbers[gone][:_SHOWN].tolist())


def _surplus(these: NDArray[np.uint64], those: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of `these` have no partner left among `those`: of equal ones, the last are left over."""
    values, inverse = np.unique(these, return_inverse=True)
    known, counts = np.unique(those, return_counts=True)
    allowed = np.zeros(len(values), dtype=np.int64)
    at = np.searchsorted(known, values)
    found = at < len(known)
    found[found] = known[at[found]] == values[found]
    allowed[found] = counts[at[found]]
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(values)))
    rank = np.empty(len(these), dtype=np.int64)
    rank[order] = np.arange(len(these)) - starts[inverse[order]]
    surplus: NDArray[np.bool_] = rank >= allowed[inverse]
    return surplus
