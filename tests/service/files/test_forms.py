"""Multipart bodies are read as they arrive, however they are cut, and never trusted."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import ClientDisconnect

from service.files.errors import BrokenBody, MalformedForm, NotAForm
from service.files.forms import Form

TYPE = "multipart/form-data; boundary=XX"
BODY = (b'--XX\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="\xe4\xbd\xa0.jsonl"\r\n'
        b"Content-Type: application/octet-stream\r\nX-Empty:\r\n\r\nline\r\n--X almost a boundary\r\n\r\n--XX--\r\n")


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start:start + size]


def read(body: bytes, size: int = 65_536, content_type: str = TYPE) -> list[tuple[str, str | None, bytes]]:
    async def parts() -> list[tuple[str, str | None, bytes]]:
        form, found = Form(content_type, cut(body, size)), []
        while (part := await form.next_part()) is not None:
            found.append((part.name, part.filename, b"".join([chunk async for chunk in form.chunks()])))
        return found
    return asyncio.run(parts())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 65_536])
def test_the_parts_are_the_same_however_the_body_is_cut(size: int) -> None:
    assert read(BODY, size) == [("purpose", None, b"fine-tune"),
                                ("file", "你.jsonl", b"line\r\n--X almost a boundary\r\n")]


def part(name: bytes, value: bytes, headers: bytes = b"") -> bytes:
    return b'--XX\r\nContent-Disposition: form-data; name="' + name + b'"\r\n' + headers + b"\r\n" + value + b"\r\n"


@pytest.mark.parametrize("body", [
    b"no boundary at all",
    b"--XX\r\nContent-Type: text/plain\r\n\r\nnameless\r\n--XX--\r\n",
    b'--XX\r\nContent-Disposition: form-data; name="a\x00b"\r\n\r\nx\r\n--XX--\r\n',
    part(b"a", b"x", b"X-Long: " + b"x" * 10_000 + b"\r\n") + b"--XX--\r\n",
    part(b"a", b"x", b"X-Many: x\r\n" * 20) + b"--XX--\r\n",
    part(b"a", b"x") * 21 + b"--XX--\r\n",
    part(b"a", b"x") + b"--XX--\r\n" + b"epilogue" * 10_000,
], ids=["text", "nameless", "NUL", "long header", "many headers", "many parts", "endless epilogue"])
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedForm):
        read(body, 1000)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data",
                                          "multipart/mixed; boundary=XX"])
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(NotAForm):
        read(BODY, content_type=content_type)


def test_a_boundary_out_of_all_proportion_is_refused() -> None:
    with pytest.raises(MalformedForm):
        read(BODY, content_type="multipart/form-data; boundary=" + "x" * 1000)


@pytest.mark.parametrize("end", [5, 60, 120, len(BODY) - 6])
def test_a_body_that_ends_early_is_broken(end: int) -> None:
    with pytest.raises(BrokenBody):
        read(BODY[:end])


def test_a_client_that_goes_away_breaks_the_body() -> None:
    async def leaving() -> AsyncIterator[bytes]:
        yield BODY[:130]
        raise ClientDisconnect

    async def scenario() -> None:
        form = Form(TYPE, leaving())
        while await form.next_part() is not None:
            pass
    with pytest.raises(BrokenBody):
        asyncio.run(scenario())


def test_a_name_outside_of_ascii_may_be_percent_encoded() -> None:
    body = (b"--XX\r\nContent-Disposition: form-data; name=file; filename=\"__.txt\"; filename*=UTF-8''%E4%BD%A0.txt"
            b"\r\n\r\nx\r\n--XX--\r\n")
    assert read(body) == [("file", "你.txt", b"x")]


def test_a_field_that_is_not_a_file_is_short() -> None:
    async def scenario(length: int) -> str:
        form = Form(TYPE, cut(part(b"purpose", b"x" * length) + b"--XX--\r\n", 500))
        await form.next_part()
        return await form.text()
    assert asyncio.run(scenario(4096)) == "x" * 4096
    with pytest.raises(MalformedForm):
        asyncio.run(scenario(4097))
