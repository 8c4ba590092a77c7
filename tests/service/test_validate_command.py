"""`tuneworks validate`: what it prints, for people and for machines, and its exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.datasets.analysis.rows import all_rows
from tests.service.datasets.analysed import analysed, different, pairs
from tests.service.files.chats import line

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.stdout)
        return told


Run = Callable[..., Done]


@pytest.fixture
def validate(tmp_path: Path) -> Run:
    """`tuneworks validate …` as a process of its own, in a directory with nothing in it and on 80 columns."""
    def begin(*arguments: str, stdin: bytes = b"", **files: bytes) -> Done:
        for name, data in files.items():
            (tmp_path / name.replace("_", ".")).write_bytes(data)
        done = subprocess.run([sys.executable, "-m", "service.cli", "validate", *arguments], cwd=tmp_path,
                              env={"PATH": os.defpath, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}, input=stdin,
                              capture_output=True, check=False, timeout=120)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    return begin


class TestVerdicts:
    def test_a_good_file_is_go(self, validate: Run) -> None:
        done = validate("good.jsonl", good_jsonl=different(40))
        assert (done.returncode, done.stderr) == (0, "")
        assert "good.jsonl: 40 examples (chat) in 40 lines" in done.stdout
        assert " GO " in done.stdout
        assert " of 100" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80

    def test_warnings_leave_the_exit_code_alone(self, validate: Run) -> None:
        done = validate("a.jsonl", a_jsonl=different(20) + different(1))
        assert done.returncode == 0
        assert " WARN " in done.stdout
        assert "exact duplicate, line 21" in done.stdout

    def test_errors_block_and_are_told_with_their_lines(self, validate: Run) -> None:
        done = validate("bad.jsonl", bad_jsonl=different(20) + line(x=1) * 7 + b"{\n")
        assert done.returncode == 1
        assert " BLOCK " in done.stdout
        assert "unknown key, lines 21, 22, 23, 24, 25, …" in done.stdout
        assert 'Example 21 contains an extra "x".' in done.stdout
        assert 'Example 22 contains an extra "x".' not in done.stdout
        more = validate("bad.jsonl", "--limit", "2")
        assert 'Example 22 contains an extra "x".' in more.stdout

    def test_the_method_must_fit(self, validate: Run) -> None:
        assert validate("p.jsonl", "--method", "dpo", p_jsonl=pairs(12)).returncode == 0
        done = validate("p.jsonl", "--method", "supervised")
        assert done.returncode == 1
        assert "fine-tune-preference format" in " ".join(done.stdout.split())

    def test_a_format_that_is_given_is_what_lines_are_held_to(self, validate: Run) -> None:
        done = validate("p.jsonl", "--format", "chat", "--json", p_jsonl=pairs(12))
        assert (done.returncode, done.report["format"], done.report["examples"]) == (1, "chat", 0)


class TestValidationFile:
    def test_what_both_files_share_is_told(self, validate: Run) -> None:
        done = validate("t.jsonl", "--validation", "v.jsonl", t_jsonl=different(30), v_jsonl=different(5, start=28))
        assert done.returncode == 0
        words = " ".join(done.stdout.split())
        assert "2 validation examples stand in the training file too" in words
        assert "line 1 as 29, 2 as 30" in words
        assert "too few examples" not in words  # a validation file may be short

    def test_a_bad_one_blocks_as_well(self, validate: Run) -> None:
        done = validate("t.jsonl", "--validation", "v.jsonl", "--json", t_jsonl=different(30), v_jsonl=line(x=1))
        assert (done.returncode, done.report["verdict"]) == (1, "go")
        assert done.report["validation"]["verdict"] == "block"
        assert done.report["leakage"]["exact"] == 0


class TestMachines:
    def test_json_is_the_whole_report(self, validate: Run) -> None:
        data = different(20)
        done = validate("-", "--json", stdin=data)
        assert (done.returncode, done.stderr) == (0, "")
        report = done.report
        assert (report["verdict"], report["examples"], report["bytes"]) == ("go", 20, len(data))
        assert report["tokens"]["exact"]
        assert report["quality"]["score"] > 0

    def test_fast_leaves_out_what_takes_time(self, validate: Run) -> None:
        report = validate("-", "--json", "--fast", stdin=different(20)).report
        assert (report["quality"], report["privacy"]) == (None, None)
        assert report["tokens"]["examples"] == 20

    def test_findings_are_written_to_a_file(self, validate: Run, tmp_path: Path) -> None:
        validate("-", "--findings", "out.jsonl", stdin=different(10) + line(x=1) * 1500)
        found = [json.loads(each) for each in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert sum(each["kind"] == "unknown_key" for each in found) == 1500
        assert set(found[0]) == {"severity", "kind", "line", "path", "message", "hint"}

    def test_examples_are_written_to_a_file(self, validate: Run, tmp_path: Path) -> None:
        data = different(10) + b"\n" + line(x=1) + different(2)
        report = validate("-", "--json", "--examples", "out.jsonl", stdin=data).report
        rows = [json.loads(each) for each in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert rows == list(all_rows(analysed(data).columns, context=None))  # as the API tells them
        assert [row["line"] for row in rows] == [*range(1, 11), 13, 14]
        assert sum(row["tokens"] for row in rows) == report["tokens"]["billed"]
        assert rows[-1]["flags"] == ["exact_duplicate"]
        longest = max(row["tokens"] for row in rows)
        validate("-", "--examples", "out.jsonl", "--context", str(longest - 1), stdin=data)
        over = [json.loads(each)["over"] for each in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert over == [max(0, row["tokens"] - longest + 1) for row in rows]

    def test_processes_change_nothing(self, validate: Run, tmp_path: Path) -> None:
        (tmp_path / "large.jsonl").write_bytes(line(user="x" * 4000) * 5 + different(3000) + b" " * 70_000_000)
        one, two = (validate("large.jsonl", "--json", "--fast", "--processes", str(n)).report for n in (1, 2))
        assert {**one, "seconds": 0} == {**two, "seconds": 0}


class TestRefusals:
    @pytest.mark.parametrize(("name", "data", "what"), [
        ("a.json", b'[{"messages": []}]', "is one JSON list"), ("a.csv", b"prompt,answer\n1,2\n", "is a table"),
        ("a.parquet", b"PAR1\x00", "is a Parquet file"), ("a.jsonl", b"\xef\xbb\xbf [\n{}]", "is one JSON list")])
    def test_other_shapes_are_sent_to_convert(self, validate: Run, name: str, data: bytes, what: str) -> None:
        done = validate(name, **{name.replace(".", "_"): data})
        assert (done.returncode, done.stdout) == (2, "")
        assert what in done.stderr
        assert f"tuneworks convert {name}" in done.stderr

    def test_what_cannot_be_read_is_told_in_a_sentence(self, validate: Run, tmp_path: Path) -> None:
        for name, words in (("nowhere.jsonl", "No such file"), (str(tmp_path), "Is a directory")):
            done = validate(name)
            assert (done.returncode, done.stdout) == (2, "")
            assert words in done.stderr
        empty = validate("-")
        assert (empty.returncode, "- is empty" in empty.stderr) == (2, True)
        assert "convert" not in empty.stderr
        for option in ("--findings", "--examples"):
            assert validate("a.jsonl", option, "/proc/x", a_jsonl=different(10)).returncode == 2

    def test_wrong_usage_is_2_as_well(self, validate: Run) -> None:
        assert validate().returncode == validate("x", "--method", "magic").returncode == 2
        alone = validate("x.jsonl", "--context", "100", x_jsonl=different(10))
        assert (alone.returncode, "--context goes with --examples" in alone.stderr) == (2, True)
