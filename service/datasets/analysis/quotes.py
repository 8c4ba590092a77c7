"""Counts the quotes of JSON that delimit its strings: how one knows that no key comes twice, which msgspec lets pass.

A typed reader knows which strings a line must have. With a key more there are more quotes, and nothing makes them fewer.
"""

import re

_ESCAPED = re.compile(rb"\\.", re.DOTALL)


def delimiters(text: bytes) -> int:
    """Quotes that are not escaped."""
    if b'\\\\"' in text:  # is the quote escaped or the backslash before it?
        return _ESCAPED.sub(b"", text).count(b'"')
    return text.count(b'"') - text.count(b'\\"')
