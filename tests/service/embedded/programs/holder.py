"""Holds one server until it is killed: `python -m … postgres|valkey DIRECTORY`; says its pid and URL as JSON."""

import json
import sys
import time
from pathlib import Path

from service.embedded.postgres import EmbeddedPostgres
from service.embedded.valkey import EmbeddedValkey


def main(kind: str, directory: Path) -> None:
    server = EmbeddedPostgres(directory, fast=True) if kind == "postgres" else EmbeddedValkey(directory)
    with server:
        sys.stdout.write(json.dumps({"pid": server.pid, "url": server.url()}) + "\n")
        sys.stdout.flush()
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
