"""Reads a multipart/form-data body as it arrives: parts in their order, the bytes of each as a stream."""

import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from service.files.errors import BrokenBody, MalformedForm, NotAForm

_MOST_PARTS = 20
_MOST_TEXT = 4096  # bytes of a field that is not a file
_MOST_EPILOGUE = 65_536  # bytes after the closing boundary, which mean nothing
_EXTENDED = re.compile(rb"filename\*=utf-8''([^;\s]+)", re.IGNORECASE)
"""A file's name as some clients add it, percent-encoded, for names outside of ASCII."""
_Headers = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """One field of the form: its name, and the file's name when it is a file."""

    name: str
    filename: str | None


class Form:
    """A form being read. `next_part` and the part's `chunks` or `text` are called in turn, as in a file."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise NotAForm(content_type)
        self._body = body
        self._events: deque[tuple[str, bytes]] = deque()
        self._parts = 0
        try:
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._began,
                "on_header_begin": lambda: self._events.append(("header", b"")),
                "on_header_field": lambda data, start, end: self._note("field", data, start, end),
                "on_header_value": lambda data, start, end: self._note("value", data, start, end),
                "on_headers_finished": lambda: self._events.append(("headers", b"")),
                "on_part_data": lambda data, start, end: self._note("data", data, start, end),
                "on_part_end": lambda: self._events.append(("end", b"")),
                "on_end": lambda: self._events.append(("closed", b"")),
            })
        except ValueError as unusable:
            raise MalformedForm(str(unusable)) from unusable

    async def next_part(self) -> Part | None:
        """The next field, or None after the last. What is left of the field before is skipped."""
        headers: _Headers = {}
        field = b""
        while True:
            kind, data = await self._event()
            if kind == "closed":
                await self._skip_epilogue()
                return None
            if kind == "headers":
                return _part(headers)
            if kind == "header":
                field = b""
            elif kind == "field":
                field += data
            elif kind == "value":
                headers[field] = headers.get(field, b"") + data

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the part that was just returned."""
        while True:
            kind, data = await self._event()
            if kind == "end":
                return
            yield data

    async def text(self) -> str:
        """The part that was just returned as text. Raises MalformedForm when it is too long or no text."""
        value = b""
        async for chunk in self.chunks():
            value += chunk
            if len(value) > _MOST_TEXT:
                raise MalformedForm(f"a field that is not a file is longer than {_MOST_TEXT} bytes")
        return _decoded(value)

    def _began(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise MalformedForm(f"it has more than {_MOST_PARTS} parts")

    def _note(self, kind: str, data: bytes, start: int, end: int) -> None:
        self._events.append((kind, bytes(data[start:end])))

    async def _event(self) -> tuple[str, bytes]:
        while not self._events:
            try:
                self._parser.write(await anext(self._body))
            except MultipartParseError as malformed:
                raise MalformedForm(str(malformed)) from malformed
            except (StopAsyncIteration, ClientDisconnect) as ended:
                raise BrokenBody from ended
        return self._events.popleft()

    async def _skip_epilogue(self) -> None:
        skipped = 0
        try:
            async for chunk in self._body:
                skipped += len(chunk)
                if skipped > _MOST_EPILOGUE:
                    raise MalformedForm("it goes on after its closing boundary")
        except ClientDisconnect as ended:
            raise BrokenBody from ended


def _part(headers: _Headers) -> Part:
    disposition = next((value for name, value in headers.items() if name.lower() == b"content-disposition"), b"")
    kind, options = parse_options_header(disposition)
    if kind != b"form-data" or b"name" not in options:
        raise MalformedForm("a part has no Content-Disposition: form-data header with a name")
    extended = _EXTENDED.search(disposition)
    filename = unquote_to_bytes(extended[1]) if extended else options.get(b"filename")
    return Part(_decoded(options[b"name"]), None if filename is None else _decoded(filename))


def _decoded(text: bytes) -> str:
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    if "\x00" in decoded:
        raise MalformedForm("a name or a field contains a NUL character")
    return decoded
