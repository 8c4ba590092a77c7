"""Who runs PostgreSQL when we are root: it refuses to be root, and nobody's permissions are to be loosened.

The wheel's own way opens every directory above the data to everybody. Ours changes nothing that exists:
the server is started with the data directory as its working directory, which it may use without being
allowed through the directories above; and when the interpreter lives where others may not look (/root),
the server's binaries are copied once to a place of their own.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.embedded.errors import EmbeddedUnavailable

_NAME = "tuneworks"
_CACHE = Path("/var/cache/tuneworks")
_WAYS = (("useradd", "--system", "--no-create-home", "--user-group", "--shell", "/bin/false", _NAME),
         ("adduser", "-S", "-D", "-H", "-s", "/bin/false", _NAME))


@dataclass(frozen=True, slots=True)
class Account:
    """The system user a server runs as; `None` is whoever we are."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """Supplementary groups: none of root's."""
        return None if self.uid is None else []

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account(existing: Path) -> Account:
    """Ourselves, unless we are root: then the owner of `existing` data, or a system user of our own."""
    if os.geteuid() != 0:
        return Account()
    if existing.exists() and existing.stat().st_uid != 0:
        return Account(existing.stat().st_uid, existing.stat().st_gid)
    entry = _system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _system_user() -> pwd.struct_passwd:
    """Our own user, made if need be; `nobody` where users cannot be made (read-only images)."""
    for way in _WAYS:
        with suppress(KeyError):
            return pwd.getpwnam(_NAME)
        with suppress(OSError):
            subprocess.run(way, capture_output=True, check=False, timeout=20)
    for _ in range(10):  # another start may hold the lock of the user database, making the same user
        with suppress(KeyError):
            return pwd.getpwnam(_NAME)
        time.sleep(0.1)
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedUnavailable(
            f"PostgreSQL does not run as root, no user {_NAME!r} could be made, and there is no `nobody`."
            f" Create a system user {_NAME!r}, start as an ordinary user, or set"
            " TUNEWORKS_DATABASE_URL.") from None


def reachable(install: Path, version: str, account: Account) -> Path:
    """`install` if `account` can run from it, else a copy where it can."""
    if account.uid is None or _runs(install, account):
        return install
    target = _CACHE / f"postgres-{version}"
    copy = target / install.relative_to(_site(install))
    if not _runs(copy, account):
        _copy(install, target)
    if not _runs(copy, account):
        raise EmbeddedUnavailable(f"user id {account.uid} can run PostgreSQL neither from {install} nor from"
                                  f" {copy}. Start as an ordinary user, or set TUNEWORKS_DATABASE_URL.")
    return copy


def _site(install: Path) -> Path:
    """The site-packages that the wheel is in: its binaries find their libraries by the way from one to the other."""
    return install.parent.parent


def _libraries(install: Path) -> Path:
    return _site(install) / f"{install.parent.name}.libs"


def _runs(install: Path, account: Account) -> bool:
    """Tried with initdb, which needs more libraries than the server does."""
    try:
        tried = subprocess.run([install / "bin" / "initdb", "--version"], user=account.uid,
                               group=account.gid, extra_groups=account.groups, cwd="/", capture_output=True,
                               check=False, timeout=20)
    except OSError:
        return False
    return tried.returncode == 0


def _copy(install: Path, target: Path) -> None:
    try:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=target.parent))
        for part in (install / "bin", install / "lib", install / "share", _libraries(install)):
            shutil.copytree(part, fresh / part.relative_to(_site(install)), symlinks=True)
        fresh.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        with suppress(OSError):  # another start was faster: its copy is as good
            fresh.rename(target)
        shutil.rmtree(fresh, ignore_errors=True)
    except OSError as problem:
        raise EmbeddedUnavailable(f"PostgreSQL's binaries could not be copied to {target}: {problem}."
                                  " Start as an ordinary user, or set TUNEWORKS_DATABASE_URL.") from problem
