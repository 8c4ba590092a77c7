"""Takes files apart into rows: JSON Lines, JSON arrays, CSV, TSV and Parquet, of any size in little memory."""

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec
from msgspec import Raw
from pyarrow import ArrowException
from pyarrow.parquet import ParquetFile

from service.datasets.conversion.examples import Unconvertible
from service.settings import MiB

Container = Literal["jsonl", "json", "csv", "tsv", "parquet"]
Row = dict[str, Any]
MAX_ROW_BYTES = 16 * MiB
_READ = MiB
_LINE_ENDS = ("\n", "\r")
_STRUCTURE = re.compile(rb'(["\[\]{},])')
_STRING_ENDS = re.compile(rb'(?:[^"\\]|\\.)*+("|\\?\Z)', re.DOTALL)
_AS_TEXT = ("tools", "functions")
"""Stay the JSON text that they are, so that nothing about them changes on the way."""


class UnknownContainer(ValueError):
    """The bytes are none of the kinds that can be read; the message says what they look like."""


def container_of(head: bytes, filename: str) -> Container:
    """How the rows of a file are packed, from its first bytes and its name. Raises UnknownContainer."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise UnknownContainer("The file is compressed or a workbook. Unpack it, or save the sheet as CSV.")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return "jsonl"
    suffix = Path(filename).suffix.lower()
    first = _decoded(head).partition("\n")[0]
    if suffix in {".tsv", ".tab"} or (suffix != ".csv" and first.count("\t") > first.count(",")):
        return "tsv"
    if suffix == ".csv" or "," in first or ";" in first:
        return "csv"
    raise UnknownContainer("The file is neither JSON nor CSV, TSV or Parquet.")


def rows(path: Path, container: Container) -> Iterator[Row | Unconvertible]:
    """Each row, or why it cannot be read, in the order of the file."""
    readers = {"jsonl": _lines, "json": _elements, "csv": _table, "tsv": _table, "parquet": _parquet}
    return readers[container](path)


def _object(text: bytes) -> Row | Unconvertible:
    if len(text) > MAX_ROW_BYTES:
        return Unconvertible(f"longer than {MAX_ROW_BYTES // MiB} MB")
    try:
        members = msgspec.json.decode(text, type=dict[str, Raw])
        return {name: _value(name, bytes(value)) for name, value in members.items()}
    except msgspec.ValidationError:
        return Unconvertible("not a JSON object")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Unconvertible("not valid JSON")


def _value(name: str, text: bytes) -> Any:
    return text.decode() if name in _AS_TEXT and text.startswith(b"[") else msgspec.json.decode(text)


def _lines(path: Path) -> Iterator[Row | Unconvertible]:
    with path.open("rb") as file:
        for number in itertools.count():
            line = file.readline(MAX_ROW_BYTES + 1)
            whole = line
            while whole and not whole.endswith(b"\n"):  # the rest of a line that is too long, or the file's last
                whole = file.readline(MAX_ROW_BYTES)
            if not line:
                return
            if number == 0:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield _object(line)


def _elements(path: Path) -> Iterator[Row | Unconvertible]:
    """The elements of one JSON array, cut out by their brackets, so that only one is held."""
    with path.open("rb") as file:
        for element in _cut(iter(lambda: file.read(_READ), b"")):
            yield element if isinstance(element, Unconvertible) else _object(element)


def _cut(chunks: Iterator[bytes]) -> Iterator[bytes | Unconvertible]:  # noqa: C901 - one state machine in one piece
    """The elements of the array that the bytes are; each byte is looked at once, however long an element is."""
    element, depth, in_string, is_long, carry = bytearray(), 0, False, False, b""
    for chunk in chunks:
        data, at, kept, carry = carry + chunk, 0, 0, b""
        while at < len(data):
            found = (_STRING_ENDS if in_string else _STRUCTURE).search(data, at)
            if found is None:
                break
            at, token = found.end(), found[1]
            if in_string:
                if token == b"\\":  # what it escapes is in the next chunk
                    carry, data = token, data[:-1]
                    break
                in_string = token != b'"'
                continue
            in_string = token == b'"'
            depth += (token in b"[{") - (token in b"]}")
            if token == b"[" and depth == 1:
                kept = at
            elif depth == 0 or (token == b"," and depth == 1):
                element += data[kept:found.start()]
                if element.strip():
                    yield Unconvertible(f"longer than {MAX_ROW_BYTES // MiB} MB") if is_long else bytes(element)
                element, kept, is_long = bytearray(), at, False
                if depth == 0:
                    return
        element += data[kept:]
        if len(element) > MAX_ROW_BYTES:
            element, is_long = bytearray(b"{"), True
    if element.strip():
        yield Unconvertible("cut off: the file ends within it")


def _decoded(data: bytes) -> str:
    return data.decode(_encoding(data), errors="replace")


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head[:-4].decode("utf-8-sig") if len(head) > 4 else head.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        return "utf-8-sig" if wrong.end >= len(head) - 8 else "cp1252"
    return "utf-8-sig"


class _TableLines:
    """Lines of a table without their NULs; one that is too long is an error of its row, and never held."""

    def __init__(self, text: TextIO) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._piece()
        if not line:
            raise StopIteration
        if len(line) < MAX_ROW_BYTES or line.endswith(_LINE_ENDS):
            return line.replace("\0", "")
        while line and not line.endswith(_LINE_ENDS):
            line = self._piece()
        raise csv.Error("a line that is too long")

    def _piece(self) -> str:
        return self._text.readline(MAX_ROW_BYTES)


def _table(path: Path) -> Iterator[Row | Unconvertible]:
    with path.open("rb") as file:
        head = file.read(_READ)
    encoding = _encoding(head)
    first = head.decode(encoding, errors="replace").partition("\n")[0]
    delimiter = max("\t,;|", key=first.count)
    csv.field_size_limit(MAX_ROW_BYTES)
    with path.open(encoding=encoding, errors="replace", newline="") as text:
        reader = csv.reader(_TableLines(text), delimiter=delimiter)
        try:
            header = next(reader, [])
        except csv.Error as wrong:
            raise UnknownContainer("The headings in the first line are too long, or quoted wrongly.") from wrong
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Unconvertible("a field that is too long or quoted wrongly")
                continue
            if any(fields):
                yield (dict(zip(header, fields, strict=True)) if len(fields) == len(header)
                       else Unconvertible(f"{len(fields)} fields under {len(header)} headings"))


def _parquet(path: Path) -> Iterator[Row | Unconvertible]:
    """Batches of rows. A struct column has every key in every row; keys that are null were not there, and go."""
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for row in batch.to_pylist():
                    yield {name: _without_nulls(value) for name, value in row.items()}
    except (ArrowException, OSError, ValueError) as wrong:
        raise UnknownContainer(f"The Parquet file cannot be read: {str(wrong).partition(chr(10))[0][:200]}") from wrong


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value
