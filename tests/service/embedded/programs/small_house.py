"""A supervisor with a real broker and tiny children: `python -m … DIRECTORY READY_FILE [CHILD…]`.

Each CHILD is `name:rank:what`, where `what` is `steady` (runs until told to stop), `stubborn` (is deaf to SIGTERM), or
`broken` (ends at once). Each writes its name to DIRECTORY/stopped when it ends in order.
"""

import json
import signal
import sys
import time
from pathlib import Path

from service.embedded.children import ChildSpec
from service.embedded.errors import DidNotStart
from service.embedded.health import logged
from service.embedded.ownership import write_private
from service.embedded.supervisor import Supervisor
from service.embedded.valkey import EmbeddedValkey
from service.kit.lifeline import watch_parent


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def supervise(directory: Path, ready: Path, wanted: list[str]) -> int:
    with Supervisor(directory, say=say) as supervisor:
        url = supervisor.serve("valkey", EmbeddedValkey(directory / "valkey"))
        supervisor.start([_spec(supervisor, each) for each in wanted])
        supervisor.wait_until_healthy()

        def tell() -> None:
            write_private(ready, json.dumps({"pids": supervisor.pids, "url": url}))
        tell()
        supervisor.watch(on_change=tell)
    return 130 if supervisor.was_killed else 0


def _spec(supervisor: Supervisor, wanted: str) -> ChildSpec:
    name, rank, what = wanted.split(":")
    command = [sys.executable, "-m", __spec__.name, "--child", name, what, str(supervisor.data_dir / "stopped")]
    return ChildSpec(name, command, stop_rank=int(rank), stop_seconds=2.0 if what == "stubborn" else 20.0,
                     sign_of_life=logged(supervisor.log_of(name), "working", level="INFO"))


def child(name: str, what: str, stopped: Path) -> None:
    if what == "broken":
        sys.exit("I am broken.")

    def stop(*_: object) -> None:
        if what == "stubborn":
            return
        with stopped.open("a") as file:
            file.write(f"{name}\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, stop)
    watch_parent(grace_seconds=2.0)
    say("working")
    while True:
        time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        try:
            sys.exit(supervise(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
        except DidNotStart as problem:
            sys.exit(str(problem))
