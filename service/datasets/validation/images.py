"""The rules of an image in a message: where it may lie, what it may be, how large."""

import binascii
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from service.datasets.validation.findings import Finding, Place, shown, unknown_keys
from service.datasets.validation.lines import MiB

MOST_IMAGES = 10
_MOST_BYTES = 10 * MiB
_DETAILS = ("auto", "low", "high")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = {0: "grayscale", 3: "palette", 4: "grayscale with alpha"}
_JPEG_COLOURS = {1: "grayscale", 4: "CMYK"}
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def check_image(image: Any, at: Place) -> Iterator[Finding]:
    """What is wrong with the `image_url` of a content part."""
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        yield at.error("wrong_type", "has an image without a 'url'.")
        return
    yield from unknown_keys(image, {"url", "detail"}, at)
    if image.get("detail", "auto") not in _DETAILS:
        yield at.inside("detail").error("invalid_image", "has an image whose 'detail' is not auto, low or high.")
    yield from _url(image["url"], at.inside("url"))


def _url(url: str, at: Place) -> Iterator[Finding]:
    if url[:5].lower() == "data:":
        yield from _data(url, at)
    elif not _is_http(url):
        yield at.error("invalid_image", "has an image that is neither an http URL nor a data URL.",
                       "Data URLs begin with data:image/jpeg;base64, (or png, webp).")


def _is_http(url: str) -> bool:
    if len(url) > 8192 or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _data(url: str, at: Place) -> Iterator[Finding]:
    head, _, encoded = url.partition(",")
    declared = head[5:].lower().removesuffix(";base64")
    if not head.lower().endswith(";base64") or declared not in _COLOURS:
        yield at.error("invalid_image", f"has an image of type '{shown(declared)}'; it must be a JPEG, PNG or WEBP.",
                       "Data URLs begin with data:image/jpeg;base64, (or png, webp).")
        return
    try:
        data = binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        yield at.error("invalid_image", "has an image whose data is not base64.",
                       "Encode it with the standard alphabet, with padding and without line breaks.")
        return
    if len(data) > _MOST_BYTES:
        yield at.error("image_too_large", f"has an image of {len(data) / MiB:,.1f} MB, but it may have at most"
                                          f" {_MOST_BYTES // MiB} MB.", "Scale it down.")
    yield from _bytes(data, declared, at)


def _bytes(data: bytes, declared: str, at: Place) -> Iterator[Finding]:
    found = _type(data)
    if found != declared:
        told = found or "something else"
        yield at.error("image_type_differs", f"has an image that is declared as {declared} and holds {told}.",
                       "Declare what the bytes are.")
    elif colours := _COLOURS[declared](data):
        yield at.error("image_colours", f"has an image in {colours}, but it must be RGB or RGBA.",
                       "Convert it to RGB or RGBA.")


def _type(data: bytes) -> str | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _png_colours(data: bytes) -> str | None:
    return _PNG_COLOURS.get(data[25]) if len(data) > 25 and data[12:16] == b"IHDR" else None


def _jpeg_colours(data: bytes) -> str | None:
    at = 2
    for _ in range(64):  # segments before the frame's header; more than a handful are rare
        if len(data) < at + 10 or data[at] != 0xFF:
            break
        if data[at + 1] in _JPEG_FRAMES:
            return _JPEG_COLOURS.get(data[at + 9])
        at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
    return None


def _webp_colours(_: bytes) -> str | None:
    return None  # always RGB or RGBA


_COLOURS = {"image/jpeg": _jpeg_colours, "image/png": _png_colours, "image/webp": _webp_colours}
