"""What a data directory keeps across starts: one owner at a time, ports, secrets, logs."""

import fcntl
import os
import secrets
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from service.embedded.errors import AlreadyInUse
from service.kit.encryption import new_data_key
from service.kit.keyring import new_line

LOOPBACK = "127.0.0.1"


class DirectoryLock:
    """An advisory lock that the kernel drops when its holder dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "owner.lock"
        self._handle: int | None = None

    def acquire(self) -> None:
        """Raises AlreadyInUse, naming the holder's pid, when a live process holds the directory."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise AlreadyInUse(f"{self._path.parent} is in use by process {holder}. Stop that one first,"
                               " or choose another data directory.") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._handle = handle

    def is_held(self) -> bool:
        """Whether a live process holds the directory."""
        if not self._path.exists():
            return False
        try:
            self.acquire()
        except AlreadyInUse:
            return True
        self.release()
        return False

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def free_port(preferred: int = 0) -> int:
    """`preferred` when nobody listens there, else any free port of the loopback interface."""
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {LOOPBACK}")


def kept_port(file: Path, *, preferred: int = 0) -> int:
    """The port of the last start when it is still free; otherwise another, kept for the next start."""
    remembered = file.read_text().strip() if file.exists() else ""
    port = free_port(int(remembered) if remembered.isdigit() else preferred)
    file.write_text(f"{port}\n")
    return port


def write_private(file: Path, content: str) -> None:
    """Replace `file` in one step; only its owner can read it, at any moment."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(content)
    fresh.replace(file)


def kept_secret(file: Path) -> str:
    """A random password that only the owner of the directory can read; made once."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text().strip()


def kept_keys(file: Path) -> Path:
    """A file of key-encryption keys that only the owner of the directory can read; made once, with one key."""
    if not file.exists():
        add_key(file)
    return file


def add_key(file: Path) -> str:
    """Append a fresh key-encryption key, which is then the current one; its name."""
    name = f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(3)}"
    former = file.read_text() if file.exists() else ""
    if former and not former.endswith("\n"):
        former += "\n"
    write_private(file, f"{former}{new_line(name, new_data_key())}\n")
    return name


def tail(log: Path, *, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
