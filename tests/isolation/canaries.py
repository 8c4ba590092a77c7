"""Marks that are planted as secrets, and the places in which they are then looked for, in every writing."""

import base64
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from sqlalchemy import create_engine, text

from migrations.metadata import metadata
from service.kit.database import sqlalchemy_url
from service.settings import settings

_FLUSH_SECONDS = 20.0


class Canaries:
    """Secrets that share a mark; `traces` finds the mark as text, as hex, and inside base64 at any offset."""

    def __init__(self) -> None:
        self.mark = f"canary-{secrets.token_hex(12)}"
        self._began = time.time() - 1
        plain = self.mark.encode()
        inside = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
        self._writings = (plain, plain.hex().encode(), plain.hex().upper().encode(), *inside)

    def secret(self, purpose: str) -> str:
        return f"sk-{self.mark}-{purpose}-{secrets.token_hex(2)}"

    def traces(self, place: str, content: str | bytes) -> list[str]:
        """Where in `content` the mark stands, with what surrounds it; empty when it is nowhere."""
        raw = content.encode(errors="replace") if isinstance(content, str) else content
        return [f"{place}: …{raw[max(0, at - 60):at + 60]!r}…" for writing in self._writings
                if (at := raw.find(writing)) >= 0]

    def in_files(self, directory: Path, *, until: str) -> list[str]:
        """Traces in files that were written since we began, once `until`, which was written last, stands there too."""
        deadline = time.monotonic() + _FLUSH_SECONDS
        while not any(until.encode() in content for _, content in self._written(directory)):
            assert time.monotonic() < deadline, f"'{until}' was not written to {directory}: these are not the files"
            time.sleep(0.2)
        return [trace for path, content in self._written(directory) for trace in self.traces(str(path), content)]

    def _written(self, directory: Path) -> Iterator[tuple[Path, bytes]]:
        for path in sorted(directory.rglob("*")):
            try:
                if path.is_file() and path.stat().st_mtime >= self._began:
                    yield path, path.read_bytes()
            except FileNotFoundError:
                continue  # a temporary one


def dump_of_tables() -> str:
    """Every row of every table as text, bytes in hex, with the walls taken down for as long as it takes."""
    owner = create_engine(sqlalchemy_url(settings().database_url.get_secret_value()))
    with owner.connect() as connection:
        lines = []
        for name in metadata.tables:
            connection.execute(text(f"alter table {name} no force row level security"))
            lines += [f"{name}: {row}" for row in connection.execute(text(f"select t::text from {name} t")).scalars()]
        connection.rollback()
    owner.dispose()
    return "\n".join(lines)


def dump_of_broker(broker: redis.Redis) -> bytes:
    """Every key of the broker with its value, as the broker itself writes it to disk."""
    return b"\n".join(bytes(key) + b": " + bytes(broker.dump(key) or b"") for key in broker.scan_iter("*"))
