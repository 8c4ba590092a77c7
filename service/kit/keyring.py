"""The key-encryption keys of this process: read from a file, the environment or a program, and read again when needed.

    2026-11:bW9yZSB0aGFuIHRoaXJ0eS10d28gYnl0ZXM…      name:base64 of 32 bytes; the last line is current

A program is the way to a key management service or a vault: it is asked once per process and may take its time, so
ask for the keyring before a transaction begins, not within one.
"""

import base64
import binascii
import logging
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from service.kit.encryption import KEY_BYTES, KeyEncryption, KeysMissing, KeysUnusable, LocalKey, UnknownKey
from service.settings import child_environment, settings

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_COMMAND_SECONDS = 20.0
_ASK_AGAIN_SECONDS = 30.0
"""A program that did not know a key is not asked for it more often than so."""


class Keyring:
    """KEKs by name; the last one given wraps what is new, the others still open what they wrapped."""

    def __init__(self, keys: Sequence[KeyEncryption]) -> None:
        self._keys = {key.name: key for key in keys}
        self._last = keys[-1] if keys else None

    @property
    def names(self) -> tuple[str, ...]:
        """The current one last."""
        return tuple(self._keys)

    @property
    def current(self) -> KeyEncryption:
        """Raises KeysMissing."""
        if self._last is None:
            raise KeysMissing
        return self._last

    def unwrap(self, name: str, wrapped: bytes, context: str) -> bytes:
        """Raises KeysMissing, UnknownKey or CannotOpen."""
        if self._last is None:
            raise KeysMissing
        if name not in self._keys:
            raise UnknownKey(name)
        return self._keys[name].unwrap(wrapped, context)


class _Source:
    """Remembers the keyring, and where it came from: other settings or another file make it read again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._origin: tuple[object, ...] | None = None
        self._keyring = Keyring(())
        self._asked = 0.0

    def keyring(self) -> Keyring:
        with self._lock:
            origin = _origin()
            if origin != self._origin:
                self._keyring = Keyring(_read())
                self._origin, self._asked = origin, time.monotonic()
            return self._keyring

    def doubt(self) -> bool:
        """A key was not there: ask the program again, unless that was done just now; whether it will be asked."""
        with self._lock:
            again = bool(settings().kek_command) and time.monotonic() - self._asked > _ASK_AGAIN_SECONDS
            if again:
                self._origin = None
            return again


_source = _Source()


def keyring() -> Keyring:
    """The keys in force. Raises KeysUnusable when they cannot be read; an empty keyring when none are set."""
    return _source.keyring()


def warm() -> None:
    """Read the keys now, so that nobody has to wait for a program within a transaction; trouble is only told."""
    try:
        keyring()
    except KeysUnusable as unusable:
        _log.warning("%s", unusable)


def unwrap(name: str, wrapped: bytes, context: str) -> bytes:
    """A data key. Raises KeysMissing, KeysUnusable, UnknownKey or CannotOpen."""
    try:
        return keyring().unwrap(name, wrapped, context)
    except UnknownKey:
        if not _source.doubt():
            raise
        return keyring().unwrap(name, wrapped, context)


def new_line(name: str, key: bytes) -> str:
    """A key as a file has it."""
    return f"{name}:{base64.b64encode(key).decode()}"


def parse(text: str) -> list[LocalKey]:
    """Raises KeysUnusable, naming the line and never its content."""
    found: list[LocalKey] = []
    for number, line in enumerate(text.replace(",", "\n").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, divided, encoded = (part.strip() for part in line.partition(":"))
        if not divided or not _NAME.fullmatch(name):
            raise KeysUnusable(f"cannot be read: line {number} is not name:base64, with a name of up to 64 letters,"
                               " digits, dots, hyphens and underscores")
        if name in {key.name for key in found}:
            raise KeysUnusable(f"cannot be read: line {number} has a name that is there before")
        found.append(LocalKey(name, _decoded(encoded, number)))
    return found


def _decoded(encoded: str, number: int) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeysUnusable(f"cannot be read: what follows the name in line {number} is not base64") from None
    if len(key) != KEY_BYTES:
        raise KeysUnusable(f"cannot be used: that of line {number} has {len(key)} bytes instead of {KEY_BYTES}")
    return key


def _origin() -> tuple[object, ...]:
    """What tells one state of the source from another; a file that is replaced is another."""
    given = settings()
    if given.kek_file is not None:
        try:
            about = given.kek_file.stat()
        except OSError as problem:
            raise KeysUnusable(f"cannot be read: {given.kek_file}: {problem.strerror}") from problem
        return given.kek_file, about.st_mtime_ns, about.st_ino, about.st_size
    return given.keks.get_secret_value(), given.kek_command


def _read() -> list[LocalKey]:
    given = settings()
    if given.kek_file is not None:
        return parse(_text(given.kek_file))
    if given.keks.get_secret_value():
        return parse(given.keks.get_secret_value())
    return parse(_printed(given.kek_command)) if given.kek_command else []


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as problem:
        raise KeysUnusable(f"cannot be read: {file}: {problem.strerror}") from problem
    except ValueError:
        raise KeysUnusable(f"cannot be read: {file} is not text") from None


def _printed(command: str) -> str:
    """What the program says; its output is never repeated in an error."""
    try:
        done = subprocess.run(["/bin/sh", "-c", command], env=child_environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as problem:
        raise KeysUnusable(f"did not come: TUNEWORKS_KEK_COMMAND ended in {type(problem).__name__}") from None
    if done.returncode != 0:
        raise KeysUnusable(f"did not come: TUNEWORKS_KEK_COMMAND ended with exit code {done.returncode}")
    return done.stdout
