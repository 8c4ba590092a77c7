"""`tuneworks convert` and `tuneworks transform`: what they write, what they say, and their exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CSV = b"question,answer\nq,a\nx,\nr,b\n"
LINES = [json.dumps({"messages": [{"role": "user", "content": f"Question {number}?"},
                                  {"role": "assistant", "content": f"It is {number * 7919}."}]}).encode() + b"\n"
         for number in range(12)]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: bytes
    stderr: str


Run = Callable[..., Done]
ENVIRONMENT = {"PATH": os.defpath, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def begin(*arguments: str, stdin: bytes = b"") -> Done:
        done = subprocess.run([sys.executable, "-m", "service.cli", *arguments], cwd=tmp_path, env=ENVIRONMENT,
                              input=stdin, capture_output=True, check=False, timeout=120)
        assert "Traceback" not in done.stderr.decode()
        return Done(done.returncode, done.stdout, done.stderr.decode())
    return begin


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


class TestConvert:
    def test_a_table_becomes_lines_and_what_was_skipped_is_told(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        done = run("convert", "faq.csv")
        assert (done.returncode, done.stdout) == (0, b"")
        assert len((tmp_path / "faq.jsonl").read_bytes().splitlines()) == 2
        assert "2 converted, 1 skipped" in done.stderr
        assert "1 times 'assistant' is empty: rows 2" in done.stderr
        assert "tuneworks validate faq.jsonl" in done.stderr
        assert names(tmp_path) == {"faq.csv", "faq.jsonl"}

    def test_through_stdin_and_stdout_comes_nothing_but_lines(self, run: Run) -> None:
        done = run("convert", "-", "-o", "-", stdin=CSV)
        assert [len(json.loads(line)["messages"]) for line in done.stdout.splitlines()] == [2, 2]

    def test_a_dry_run_shows_the_mapping_and_the_first_and_writes_nothing(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        done = run("convert", "faq.csv", "--dry-run")
        assert done.returncode == 0
        assert "{question}" in done.stderr
        assert '"content": "q"' in done.stderr
        assert names(tmp_path) == {"faq.csv"}

    def test_json_tells_it_to_machines(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        told = json.loads(run("convert", "faq.csv", "--json").stdout)
        assert told == {"container": "csv", "shape": "columns", "rows": 3, "converted": 2, "output": "faq.jsonl",
                        "mapping": {"user": "{question}", "assistant": "{answer}"},
                        "reasons": {"'assistant' is empty": 1}, "skipped": [[2, "'assistant' is empty"]]}

    def test_what_is_there_is_not_written_over_unless_forced(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        (tmp_path / "faq.jsonl").write_bytes(b"mine")
        done = run("convert", "faq.csv")
        assert (done.returncode, (tmp_path / "faq.jsonl").read_bytes()) == (2, b"mine")
        assert "--force" in done.stderr
        assert run("convert", "faq.csv", "--force").returncode == 0
        assert (tmp_path / "faq.jsonl").read_bytes() != b"mine"

    def test_where_nothing_comes_of_it_nothing_is_written(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(b"question,answer\nq,\n")
        done = run("convert", "faq.csv")
        assert (done.returncode, names(tmp_path)) == (1, {"faq.csv"})
        assert "Nothing was written." in done.stderr

    @pytest.mark.parametrize(("arguments", "told"), [
        (("nope.csv",), "no such file"), (("/",), "is a directory"),
        (("faq.csv", "-o", "/nope/x.jsonl"), "No such file"),
        (("faq.csv", "--map", "user"), "is not of the form"), (("faq.csv", "--shape", "round"), "Shapes are openai"),
        (("faq.csv", "--map", "user={frage}", "--map", "assistant={answer}"), "Columns are answer, question"),
        (("-", "--to", "csv"), "Only jsonl"), (("-",), "The file is empty")])
    def test_what_cannot_be_done_is_said_with_exit_code_2(self, run: Run, tmp_path: Path, arguments: tuple[str, ...],
                                                         told: str) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        done = run("convert", *arguments)
        assert done.returncode == 2
        assert told in " ".join(done.stderr.replace("│", " ").split())
        assert names(tmp_path) == {"faq.csv"}

    def test_back_to_another_shape_and_again(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
        assert run("convert", "a.jsonl", "--to", "csv").returncode == 0
        assert run("convert", "a.csv", "-o", "-").stdout == b"".join(LINES)

    def test_help_fits_a_terminal(self, run: Run) -> None:
        for command in ("convert", "transform"):
            told = run(command, "--help").stdout.decode()
            assert max(map(len, told.splitlines())) <= 80

    def test_interrupting_leaves_no_partial_file(self, tmp_path: Path) -> None:
        (tmp_path / "big.csv").write_bytes(b"question,answer\n" + b"some question,some answer\n" * 2_000_000)
        with subprocess.Popen([sys.executable, "-m", "service.cli", "convert", "big.csv"], cwd=tmp_path,
                              env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            begun = time.monotonic()
            while ".big.jsonl.partial" not in names(tmp_path) and time.monotonic() < begun + 60:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        assert process.returncode not in (0, None)
        assert b"Traceback" not in told
        assert names(tmp_path) == {"big.csv"}


class TestTransform:
    def test_each_step_says_what_it_kept_and_left_out(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"".join([*LINES, LINES[0], b"{\n"]))
        done = run("transform", "a.jsonl", "--with", "drop_invalid", "--with", "deduplicate", "--with",
                   '{"type": "sample", "examples": 10}', "--with", "split", "-o", "b.jsonl")
        assert done.returncode == 0
        assert done.stderr.splitlines() == [
            "drop_invalid: 13 of 14 lines kept, 1 left out", "deduplicate: 12 of 13 lines kept, 1 left out",
            "sample: 10 of 12 lines kept, 2 left out", "split: 9 to train on, 1 to validate with",
            "Written: b.training.jsonl, b.validation.jsonl"]
        assert names(tmp_path) == {"a.jsonl", "b.training.jsonl", "b.validation.jsonl"}

    def test_what_was_replaced_is_counted(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(LINES[0].replace(b"Question", b"I am ann.lee@contoso-mail.net:"))
        done = run("transform", "a.jsonl", "--with", "redact", "-o", "-")
        assert b"[EMAIL]" in done.stdout
        assert done.stderr.startswith("redact: 1 of 1 lines kept; 1 times")

    @pytest.mark.parametrize(("arguments", "told"), [
        (("--with", "explode", "-o", "b.jsonl"), "there is no transformation of type 'explode'"),
        (("--with", "{type}", "-o", "b.jsonl"), "is no JSON object"),
        (("--with", "split", "--with", "shuffle", "-o", "b.jsonl"), "split comes last"),
        (("--with", "split", "-o", "-"), "two files"), (("--with", "shuffle", "-o", "a.jsonl"), "is there already"),
        (("--with", "shuffle", "-o", "/nope/b.jsonl"), "No such file")])
    def test_what_cannot_be_done_is_said_with_exit_code_2(self, run: Run, tmp_path: Path, arguments: tuple[str, ...],
                                                         told: str) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
        done = run("transform", "a.jsonl", *arguments)
        assert done.returncode == 2
        assert told in " ".join(done.stderr.replace("│", " ").split())
        assert names(tmp_path) == {"a.jsonl"}

    def test_a_split_that_cannot_be_is_refused_and_leaves_nothing(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(LINES[0] * 5)
        done = run("transform", "a.jsonl", "--with", "split", "-o", "b.jsonl")
        assert (done.returncode, names(tmp_path)) == (2, {"a.jsonl"})
        assert "cannot be split" in done.stderr
