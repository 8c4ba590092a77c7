"""Starts and uses both servers as an ordinary user: `python -m … DIRECTORY UID`; says what it saw as JSON."""

import json
import os
import sys
from pathlib import Path

import psycopg

from service.embedded import postgres
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.system_user import Account, reachable


def main(directory: Path, uid: int) -> None:
    # While we still may look everywhere: the clone may lie where the other user may not.
    install = reachable(*postgres._install(), Account(uid, uid) if os.geteuid() == 0 else Account())
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    postgres._install = lambda: (install, "the same")
    with EmbeddedPostgres(directory / "postgres", fast=True) as database, psycopg.connect(database.url()) as connection:
        row = connection.execute("select count(*) from pg_roles").fetchone()
        seen = {"uid": os.geteuid(), "roles": row[0] if row else 0,
                "owner": (directory / "postgres" / "cluster").stat().st_uid}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
