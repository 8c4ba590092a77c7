"""Takes files apart into rows: JSON Lines, JSON arrays, CSV, TSV and Parquet, of any size in little memory."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec
from msgspec import Raw
from pyarrow import ArrowException
from pyarrow.parquet import ParquetFile

from service.datasets.conversion.encodings import UTF_8, encoding_of, utf16_of
from service.datasets.conversion.examples import MAX_ROW_BYTES, TOO_LONG, Unconvertible
from service.settings import MiB

Container = Literal["jsonl", "json", "csv", "tsv", "parquet"]
Row = dict[str, Any]
_READ = MiB
_STRUCTURE = re.compile(rb'(["\[\]{},])')
_STRING_ENDS = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+("|\\?\Z)', re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"]|"")*+(?:"|\Z)')
_AS_TEXT = {"tools": b"[", "functions": b"[", "input": b"{"}
"""Stay the JSON text that they are, so that nothing about them changes on the way."""


class UnknownContainer(ValueError):
    """The bytes are none of the kinds that can be read; the message says what they look like."""


def container_of(head: bytes, filename: str) -> Container:
    """How the rows of a file are packed, from its first bytes and its name. Raises UnknownContainer."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if not head.strip(b"\xef\xbb\xbf \t\r\n\0"):
        raise UnknownContainer("The file is empty.")
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise UnknownContainer("The file is compressed or a workbook. Unpack it, or save the sheet as CSV.")
    utf_16 = utf16_of(head)
    first = _heading(head.decode(utf_16 or UTF_8, errors="replace"))
    if utf_16 and first.lstrip("\ufeff ").startswith(("{", "[")):
        raise UnknownContainer("The file is JSON in UTF-16. Save it as UTF-8.")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return "jsonl"
    suffix = Path(filename).suffix.lower()
    if any(character < " " and character not in "\t\r" for character in first):
        raise UnknownContainer("The file is binary: neither JSON nor CSV, TSV or Parquet.")
    if suffix in {".tsv", ".tab"} or (suffix != ".csv" and first.count("\t") > first.count(",")):
        return "tsv"
    if suffix == ".csv" or "," in first or ";" in first:
        return "csv"
    raise UnknownContainer("The file is neither JSON nor CSV, TSV or Parquet.")


def remark(path: Path, container: Container) -> str | None:
    """What had to be supposed to read the file, for whoever looks at what came of it."""
    if container in {"csv", "tsv"}:
        encoding = encoding_of(path)
        return None if encoding == UTF_8 else f"Its text was read as {encoding}."
    if container == "parquet":
        with _opened(path) as file:
            nested = [field.name for field in file.schema_arrow if "struct<" in str(field.type)]
        if nested:
            return (f"Columns of objects ({', '.join(nested)[:200]}) have every key in every row: keys that are null"
                    " were left out.")
    return None


def rows(path: Path, container: Container) -> Iterator[Row | Unconvertible]:
    """Each row, or why it cannot be read, in the order of the file."""
    readers = {"jsonl": _lines, "json": _elements, "csv": _table, "tsv": _table, "parquet": _parquet}
    return readers[container](path)


def _object(text: bytes) -> Row | Unconvertible:
    if len(text) > MAX_ROW_BYTES:
        return Unconvertible(TOO_LONG)
    try:
        members = msgspec.json.decode(text, type=dict[str, Raw])
        return {name: _value(name, bytes(value)) for name, value in members.items()}
    except msgspec.ValidationError:
        return Unconvertible("not a JSON object")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Unconvertible("not valid JSON")


def _value(name: str, text: bytes) -> Any:
    return text.decode() if text[:1] == _AS_TEXT.get(name) else msgspec.json.decode(text)


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
            elif depth <= 0 or (token == b"," and depth == 1):
                element += data[kept:found.start()]
                if element.strip():
                    yield Unconvertible(TOO_LONG) if is_long else bytes(element)
                element, kept, is_long = bytearray(), at, False
                if depth <= 0:
                    yield from _after(data[at:], chunks)
                    return
        element += data[kept:]
        if len(element) > MAX_ROW_BYTES:
            element, is_long = bytearray(b"{"), True
    yield Unconvertible("cut off: the file ends within the array")


def _after(rest: bytes, chunks: Iterator[bytes]) -> Iterator[Unconvertible]:
    if any(each.strip() for each in itertools.chain([rest], chunks)):
        yield Unconvertible("something behind the end of the array")


def _heading(text: str) -> str:
    """The first line without what stands in quotes."""
    return _QUOTED.sub("", text).partition("\n")[0]


def _table(path: Path) -> Iterator[Row | Unconvertible]:
    encoding = encoding_of(path)
    # what is not UTF-8 in a file that is becomes half of a pair, so that its row is skipped and not damaged
    with path.open(encoding=encoding, errors="surrogateescape" if encoding == UTF_8 else "replace", newline="") as text:
        delimiter = max("\t,;|", key=_heading(text.read(_READ)).count)
        text.seek(0)
        csv.field_size_limit(MAX_ROW_BYTES)
        lines = _Lines(text)
        records = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = _distinct(next(records, []))
        except csv.Error as wrong:
            raise UnknownContainer(f"The first line, which names columns, cannot be read: {_why(wrong)}.") from wrong
        while True:
            lines.held = 0
            try:
                fields = next(records)
            except StopIteration:
                return
            except csv.Error as wrong:
                yield Unconvertible(_why(wrong))
                continue
            if any(fields):
                yield (dict(zip(header, fields, strict=True)) if len(fields) == len(header)
                       else Unconvertible("more fields than headings" if len(fields) > len(header)
                                          else "fewer fields than headings"))


class _Lines:
    """Lines of a table. One record of it may not be longer than what is held of it."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.held = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW_BYTES)
        self.held += len(line)
        if not line:
            raise StopIteration
        if self.held >= MAX_ROW_BYTES:
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(MAX_ROW_BYTES)
            raise csv.Error(TOO_LONG)
        return line


def _why(wrong: csv.Error) -> str:
    told = str(wrong)
    if told == TOO_LONG or "field larger" in told:
        return TOO_LONG
    return "a quote that is never closed" if "end of data" in told else "quotes within a quoted field, not doubled"


def _distinct(header: list[str]) -> list[str]:
    """Each heading once: a second `answer` is `answer (2)`."""
    seen = Counter[str]()
    made = []
    for name in (each.strip() for each in header):
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def _parquet(path: Path) -> Iterator[Row | Unconvertible]:
    """Batches of rows. A struct column has every key in every row; keys that are null were not there, and go."""
    with _opened(path) as file:
        groups = map(file.metadata.row_group, range(file.num_row_groups))
        longest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
        for batch in file.iter_batches(batch_size=max(1, min(256, 2 * MAX_ROW_BYTES // max(1, longest)))):
            for row in batch.to_pylist():
                yield {name: _without_nulls(value) for name, value in row.items()}


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    """Raises UnknownContainer, also for what is found wrong later."""
    try:
        with ParquetFile(path) as file:
            yield file
    except (ArrowException, OSError, ValueError) as wrong:
        raise UnknownContainer(f"The Parquet file cannot be read: {str(wrong).partition(chr(10))[0][:200]}") from wrong


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value
