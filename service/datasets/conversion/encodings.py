"""How the text of a table is encoded: by its mark, or by the first byte of it that is not ASCII."""

import re
from pathlib import Path

from service.settings import MiB

UTF_8 = "utf-8-sig"
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_LONGEST = 4  # bytes of one character in UTF-8
_LOOKED_AT = 200  # bytes for a sign of UTF-16


def utf16_of(head: bytes) -> str | None:
    """The kind of UTF-16 that a text is in: by its mark, or by every other byte being zero, as of Latin letters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = head[:_LOOKED_AT]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if zeros.count(0) > len(zeros) // 2 and start.count(0) == zeros.count(0):
            return encoding
    return None


def encoding_of(path: Path) -> str:
    """UTF-8 unless the file says or shows that it is something else."""
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
        if utf_16 := utf16_of(head):
            return utf_16
        if head.startswith(b"\xef\xbb\xbf"):
            return UTF_8
        file.seek(0)
        at = 0
        while chunk := file.read(MiB):
            if found := _NOT_ASCII.search(chunk):
                file.seek(at + found.start())
                return UTF_8 if _is_utf8(file.read(_LONGEST)) else "cp1252"
            at += len(chunk)
    return UTF_8


def _is_utf8(data: bytes) -> bool:
    """Whether a character of UTF-8 stands at the start."""
    return data.decode(errors="replace")[0] != "\N{REPLACEMENT CHARACTER}"
