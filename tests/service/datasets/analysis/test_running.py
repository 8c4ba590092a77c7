"""A file is analysed alike on one process or several, in little memory, and an interrupt leaves nothing."""

import json
import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from service.datasets.analysis import running
from service.datasets.analysis.options import Options
from service.datasets.analysis.running import analyse_whole
from service.datasets.analysis.segments import analyse_segment
from service.settings import MiB

BASIC = Options(full=False, keep=20)
MEMORY = """
import re, sys
from pathlib import Path
from service.datasets.analysis.running import Options, analyse_whole
found = analyse_whole(Path(sys.argv[1]), processes=1, options=Options(full=sys.argv[2] == "full"))
print([each.line for each in found.findings if each.kind == "line_too_long"], found.report.lines,
      int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def chat(at: int, size: int = 200) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": f"What is {at}? {'and so on ' * (size // 10)}"},
                                    {"role": "assistant", "content": f"{at} is a number."}]}).encode() + b"\n"


def write(path: Path, lines: int) -> Path:
    with path.open("wb") as file:
        for at in range(lines):
            file.write(b"no json\n" if at % 1000 == 999 else chat(at % 15_000))
    return path


class TestAnalyse:
    def test_several_processes_find_what_one_finds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "_WORTH", 0)
        path, told = write(tmp_path / "chats.jsonl", 20_000), []
        one = analyse_whole(path, processes=1, options=BASIC)
        two = analyse_whole(path, processes=2, options=BASIC, progress=lambda done, of: told.append((done, of)))
        one.report.seconds = two.report.seconds = 0
        assert two.report == one.report
        assert two.findings == one.findings
        assert one.report.counts["invalid_json"] == 20
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1] == (path.stat().st_size, path.stat().st_size)

    def test_what_a_killed_process_left_undone_is_done(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "_WORTH", 0)
        path = write(tmp_path / "chats.jsonl", 60_000)
        killed: list[BaseProcess] = []

        def kill(_done: int, _all: int) -> None:
            if not killed:
                killed.extend(helper for helper in multiprocessing.active_children() if helper.pid)
                for helper in killed:
                    helper.kill()

        found = analyse_whole(path, processes=2, options=BASIC, progress=kill)
        assert killed
        assert found.report.counts["invalid_json"] == 60

    def test_an_interrupt_leaves_no_process_and_no_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "chats.jsonl", 200_000)
        code = ("import signal, sys; from pathlib import Path; from service.datasets.analysis.running import *\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)  # the background ignores it\n"
                "if __name__ == '__main__': analyse(Path(sys.argv[1]), processes=2, options=Options(full=False))")
        script = tmp_path / "run.py"
        script.write_text(code)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        interrupted = subprocess.Popen([sys.executable, str(script), str(path)], stderr=subprocess.PIPE,
                                   env={"PYTHONPATH": str(Path.cwd()), "TMPDIR": str(scratch), "PATH": "/usr/bin:/bin"})
        children = _children(interrupted.pid)
        interrupted.send_signal(signal.SIGINT)
        _, said = interrupted.communicate(timeout=60)
        assert b"KeyboardInterrupt" in said
        assert interrupted.returncode
        assert psutil.wait_procs(children, timeout=10)[1] == []
        assert [*scratch.iterdir()] == []

    @pytest.mark.parametrize("mode", ["basic", "full"])
    def test_memory_does_not_grow_with_a_monstrous_line(self, tmp_path: Path, mode: str) -> None:
        path = tmp_path / "huge.jsonl"
        with path.open("wb") as file:
            for at in range(20_000):
                file.write(chat(at, 900))
            for _ in range(120):
                file.write(b"x" * MiB)
            file.write(b"\n" + chat(1) + b"\n" * (20 * MiB) + chat(2))
        done = subprocess.run([sys.executable, "-c", MEMORY, str(path), mode], check=True, capture_output=True,
                              text=True)
        lines, peak = done.stdout.rsplit(" ", 1)
        assert lines == f"[20001] {20_003 + 20 * MiB}"
        assert int(peak) < 300


class TestAnalyseSegment:
    def test_two_gigabytes_in_one_line_take_no_memory(self) -> None:
        def monstrous() -> Iterator[bytes]:
            yield chat(0)
            block = b"x" * (4 * MiB)
            for _ in range(512):
                yield block
            yield b"\n" + chat(1)

        before = psutil.Process().memory_info().rss
        found = analyse_segment(monstrous(), index=0, format=None, options=BASIC)
        assert found.tally.counts == {"error": {"line_too_long": 1}}
        assert found.tally.kept[0].line == 2
        assert found.columns.line.tolist() == [1, 3]
        assert psutil.Process().memory_info().rss - before < 100 * MiB


def _children(pid: int) -> list[psutil.Process]:
    for _ in range(300):
        children = psutil.Process(pid).children(recursive=True)
        if len(children) >= 2:  # one that reads, one that keeps track of what they share
            return children
        time.sleep(0.1)
    raise AssertionError
