"""The supervisor, with a real broker and tiny children: what it starts, mends and stops, and what survives it."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from tests.service.embedded.conftest import Start, is_gone, read_ready, until

HOUSE = "tests.service.embedded.programs.small_house"


def test_asked_to_stop_it_stops_everything_in_order(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    house = start(HOUSE, tmp_path, ready, "relay:2:steady", "worker:1:steady", "api:0:steady")
    pids = read_ready(ready)["pids"]
    assert set(pids) == {"api", "worker", "relay", "valkey"}
    house.send_signal(signal.SIGINT)
    assert house.wait(60) == 0
    assert (tmp_path / "stopped").read_text().split() == ["api", "worker", "relay"]
    assert all(is_gone(pid) for pid in pids.values())
    assert not (tmp_path / "state.json").exists()


def test_interrupt_is_heard_even_when_the_starter_ignores_it(start: Start, tmp_path: Path) -> None:
    """A shell script's `tuneworks up &` begins with SIGINT ignored."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        house = start(HOUSE, tmp_path, tmp_path / "ready.json", "worker:0:steady")
    finally:
        signal.signal(signal.SIGINT, former)
    read_ready(tmp_path / "ready.json")
    house.send_signal(signal.SIGINT)
    assert house.wait(60) == 0


def test_dead_children_and_servers_are_started_again(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    house = start(HOUSE, tmp_path, ready, "worker:0:steady")
    before = read_ready(ready)
    for name in ("worker", "valkey"):
        os.kill(before["pids"][name], signal.SIGKILL)
    until(lambda: all(read_ready(ready)["pids"][name] not in {0, before["pids"][name]} for name in before["pids"]),
          what="new pids are told")
    assert read_ready(ready)["url"] == before["url"]
    house.send_signal(signal.SIGTERM)
    said, _ = house.communicate(timeout=60)
    assert house.returncode == 0
    assert "worker ended (signal SIGKILL); starting it again" in said
    assert "valkey ended; starting it again" in said


def test_killed_supervisor_takes_its_children_with_it(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    house = start(HOUSE, tmp_path, ready, "worker:0:steady", "deaf:0:stubborn")
    pids = read_ready(ready)["pids"]
    house.kill()
    for name in ("worker", "deaf"):
        until(lambda pid=pids[name]: is_gone(pid), what=f"{name} notices")  # type: ignore[misc]  # the default binds the loop's pid
    assert (tmp_path / "stopped").read_text().split() == ["worker"]
    os.kill(pids["valkey"], signal.SIGTERM)  # servers do not notice; it is the next start that ends them


def test_next_start_ends_what_is_left(start: Start, tmp_path: Path) -> None:
    """Stopped children cannot notice anything, so it is the next start that ends them."""
    ready = tmp_path / "ready.json"
    house = start(HOUSE, tmp_path, ready, "worker:0:steady")
    left = read_ready(ready)["pids"]
    os.kill(left["worker"], signal.SIGSTOP)
    house.kill()
    house.wait()
    ready.unlink()
    again = start(HOUSE, tmp_path, ready, "worker:0:steady")
    fresh: dict[str, Any] = read_ready(ready)["pids"]
    assert all(is_gone(pid) for pid in left.values())
    assert all(psutil.pid_exists(pid) for pid in fresh.values())
    again.send_signal(signal.SIGTERM)
    said, _ = again.communicate(timeout=60)
    assert "an earlier start left behind" in said


def test_recycled_pid_is_left_alone(start: Start, tmp_path: Path) -> None:
    """A state file that names a pid which is somebody else's by now."""
    (tmp_path / "state.json").write_text(
        f'{{"instance": "none", "children": {{"worker": {{"pid": {os.getpid()}, "started_at": 1.0}}}}}}')
    house = start(HOUSE, tmp_path, tmp_path / "ready.json", "worker:0:steady")
    read_ready(tmp_path / "ready.json")
    house.send_signal(signal.SIGTERM)
    assert house.wait(60) == 0


def test_second_request_kills(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    house = start(HOUSE, tmp_path, ready, "first:0:stubborn", "second:1:stubborn")
    pids = read_ready(ready)["pids"]
    house.send_signal(signal.SIGINT)
    house.send_signal(signal.SIGTERM)  # another number: two of one kind may be delivered as one
    assert house.wait(60) == 130
    assert all(is_gone(pid) for pid in pids.values())


def test_stubborn_child_is_killed_after_its_time(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    house = start(HOUSE, tmp_path, ready, "deaf:0:stubborn")
    read_ready(ready)
    house.send_signal(signal.SIGTERM)
    said, _ = house.communicate(timeout=60)
    assert "deaf did not stop within 2 s and is killed" in said
    assert house.returncode == 0


def test_child_that_never_works_ends_the_start_with_its_log(start: Start, tmp_path: Path) -> None:
    house = start(HOUSE, tmp_path, tmp_path / "ready.json", "sound:0:steady", "worker:0:broken", stderr=-1)
    _, complaint = house.communicate(timeout=60)
    assert house.returncode == 1
    assert "worker ended (exit code 1) again and again" in complaint
    assert "I am broken." in complaint
    assert not (tmp_path / "ready.json").exists()


def test_second_supervisor_is_refused(start: Start, tmp_path: Path) -> None:
    house = start(HOUSE, tmp_path, tmp_path / "ready.json", "worker:0:steady")
    read_ready(tmp_path / "ready.json")
    second = start(HOUSE, tmp_path, tmp_path / "other.json", "worker:0:steady", stderr=-1)
    _, complaint = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"in use by process {house.pid}" in complaint


def test_logs_of_earlier_starts_are_kept(start: Start, tmp_path: Path) -> None:
    for number in range(3):
        ready = tmp_path / f"ready-{number}.json"
        house = start(HOUSE, tmp_path, ready, "worker:0:steady")
        read_ready(ready)
        house.send_signal(signal.SIGTERM)
        assert house.wait(60) == 0
    assert {path.name for path in (tmp_path / "logs").glob("worker.log*")} == {
        "worker.log", "worker.log.1", "worker.log.2"}
