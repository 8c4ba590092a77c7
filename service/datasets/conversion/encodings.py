"""How the text of a table is encoded: by its mark, or by the first byte of it that is not ASCII."""

import re
from pathlib import Path

from service.settings import MiB

UTF_8 = "utf-8-sig"
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_LONGEST = 4  # bytes of one character in UTF-8


def starts_as_utf16(head: bytes) -> bool:
    return head.startswith((b"\xff\xfe", b"\xfe\xff"))


def encoding_of(path: Path) -> str:
    """UTF-8 unless the file says or shows that it is something else."""
    with path.open("rb") as file:
        head = file.read(3)
        if starts_as_utf16(head):
            return "utf-16"
        if head == b"\xef\xbb\xbf":
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
