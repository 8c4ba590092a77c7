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
from typer.testing import CliRunner

from service.cli import app

ALPACA = json.dumps([{"instruction": "Hi?", "output": "Ho."}, {"instruction": "", "output": "x"}]).encode()
CHAT = b'{"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ho."}]}\n'


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

    @property
    def words(self) -> str:
        """Standard error, however it was broken into lines and framed."""
        return " ".join(self.stderr.replace("│", " ").split())


Run = Callable[..., Done]


@pytest.fixture
def tuneworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`tuneworks …` in a directory with the given files and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def begin(*arguments: str, stdin: bytes = b"", **files: bytes) -> Done:
        for name, data in files.items():
            (tmp_path / name.replace("_", ".")).write_bytes(data)
        done = CliRunner().invoke(app, arguments, input=stdin)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout_bytes, done.stderr)
    return begin


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


class TestConvert:
    def test_it_says_what_it_took_the_file_for_and_what_it_left_out(self, tuneworks: Run, tmp_path: Path) -> None:
        done = tuneworks("convert", "a.json", "-o", "b.jsonl", a_json=ALPACA)
        assert done.returncode == 0
        assert (tmp_path / "b.jsonl").read_bytes() == CHAT
        assert "2 rows of json, as alpaca: 1 converted, 1 skipped." in done.words
        assert "1 times 'instruction' is empty: rows 2" in done.words

    def test_from_stdin_to_stdout(self, tuneworks: Run) -> None:
        for arguments in ((), ("-o", "-")):
            done = tuneworks("convert", "-", *arguments, stdin=ALPACA)
            assert (done.returncode, done.stdout) == (0, CHAT)

    def test_for_machines(self, tuneworks: Run) -> None:
        done = tuneworks("convert", "a.csv", "--dry-run", "--json", a_csv="question,answer\na,é\n".encode("latin-1"))
        assert json.loads(done.stdout) == {
            "container": "csv", "shape": "columns", "mapping": {"user": "{question}", "assistant": "{answer}"},
            "rows": 1, "converted": 1, "reasons": {}, "remarks": ["Its text was read as cp1252."],
            "skipped": [], "output": None}

    def test_a_dry_run_writes_nothing_and_shows_the_first(self, tuneworks: Run, tmp_path: Path) -> None:
        done = tuneworks("convert", "a.json", "--dry-run", a_json=ALPACA)
        assert CHAT.decode().strip() in done.words
        assert [path.name for path in tmp_path.iterdir()] == ["a.json"]

    def test_a_mapping_is_given(self, tuneworks: Run) -> None:
        done = tuneworks("convert", "-", "--map", "user={q}?", "--map", "assistant={a}.", stdin=b"q,a\nHi,Ho\n")
        assert done.stdout == CHAT

    @pytest.mark.parametrize(("arguments", "words"), [
        (("--map", "user={x}", "--map", "assistant={a}"), "Columns are a, q"),
        (("--from", "moon"), "Shapes are openai"), (("--map", "user"), "role={column}"),
        ((), "Name the columns with a mapping")])
    def test_what_cannot_be_done_is_said_in_words(self, tuneworks: Run, tmp_path: Path, arguments: tuple[str, ...],
                                                  words: str) -> None:
        done = tuneworks("convert", "a.csv", "-o", "b.jsonl", *arguments, a_csv=b"q,a\n1,2\n")
        assert done.returncode == 2
        assert words in done.words
        assert not (tmp_path / "b.jsonl").exists()

    def test_nothing_converted_is_exit_code_one(self, tuneworks: Run) -> None:
        assert tuneworks("convert", "-", stdin=b'[{"instruction": "", "output": "x"}]').returncode == 1

    def test_a_file_that_is_there_stays_without_force(self, tuneworks: Run, tmp_path: Path) -> None:
        arguments = ("convert", "a.json", "-o", "b.jsonl")
        assert tuneworks(*arguments, a_json=ALPACA, b_jsonl=b"mine").returncode == 2
        assert (tmp_path / "b.jsonl").read_bytes() == b"mine"
        assert tuneworks(*arguments, "--force").returncode == 0
        assert (tmp_path / "b.jsonl").read_bytes() == CHAT

    @pytest.mark.parametrize("to", ["sharegpt", "alpaca", "csv", "parquet"])
    def test_out_and_back_again(self, tuneworks: Run, tmp_path: Path, to: str) -> None:
        weighty = CHAT.replace(b'"Ho."', b'"Ho.", "weight": 0')
        done = tuneworks("convert", "a.jsonl", "--to", to, "-o", f"b.{to}", "--json", a_jsonl=CHAT + weighty)
        assert json.loads(done.stdout)["converted"] == (2 if to == "parquet" else 1)
        assert tuneworks("convert", f"b.{to}", "-o", "c.jsonl").returncode == 0
        assert json.loads((tmp_path / "c.jsonl").read_bytes().splitlines()[0]) == json.loads(CHAT)

    def test_a_table_becomes_lines_and_what_was_skipped_is_told(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        done = tuneworks("convert", "faq.csv")
        assert (done.returncode, done.stdout) == (0, b"")
        assert len((tmp_path / "faq.jsonl").read_bytes().splitlines()) == 2
        assert "2 converted, 1 skipped" in done.stderr
        assert "1 times 'assistant' is empty: rows 2" in done.stderr
        assert "tuneworks validate faq.jsonl" in done.stderr
        assert names(tmp_path) == {"faq.csv", "faq.jsonl"}

    def test_a_dry_run_shows_the_mapping_and_the_first_and_writes_nothing(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        done = tuneworks("convert", "faq.csv", "--dry-run")
        assert done.returncode == 0
        assert "{question}" in done.stderr
        assert '"content": "q"' in done.stderr
        assert names(tmp_path) == {"faq.csv"}

    def test_json_tells_it_to_machines(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        told = json.loads(tuneworks("convert", "faq.csv", "--json").stdout)
        assert told == {"container": "csv", "shape": "columns", "rows": 3, "converted": 2, "remarks": [],
                        "output": "faq.jsonl", "mapping": {"user": "{question}", "assistant": "{answer}"},
                        "reasons": {"'assistant' is empty": 1}, "skipped": [[2, "'assistant' is empty"]]}

    def test_where_nothing_comes_of_it_nothing_is_written(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "faq.csv").write_bytes(b"question,answer\nq,\n")
        done = tuneworks("convert", "faq.csv")
        assert (done.returncode, names(tmp_path)) == (1, {"faq.csv"})
        assert "Nothing was written." in done.stderr

    @pytest.mark.parametrize(("arguments", "told"), [
        (("nope.csv",), "no such file"), (("/",), "is a directory"),
        (("faq.csv", "-o", "/nope/x.jsonl"), "No such file"),
        (("faq.csv", "--map", "user"), "is not of the form"), (("faq.csv", "--shape", "round"), "Shapes are openai"),
        (("faq.csv", "--map", "user={frage}", "--map", "assistant={answer}"), "Columns are answer, question"),
        (("-", "--to", "csv"), "Only jsonl"), (("-",), "The file is empty")])
    def test_what_cannot_be_done_is_said_with_exit_code_2(self, tuneworks: Run, tmp_path: Path,
                                                          arguments: tuple[str, ...], told: str) -> None:
        (tmp_path / "faq.csv").write_bytes(CSV)
        done = tuneworks("convert", *arguments)
        assert done.returncode == 2
        assert told in done.words
        assert names(tmp_path) == {"faq.csv"}

    def test_back_to_another_shape_and_again(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
        assert tuneworks("convert", "a.jsonl", "--to", "csv").returncode == 0
        assert tuneworks("convert", "a.csv", "-o", "-").stdout == b"".join(LINES)

    def test_help_fits_a_terminal(self, tuneworks: Run) -> None:
        for command in ("convert", "transform"):
            told = tuneworks(command, "--help").stdout.decode()
            assert max(map(len, told.splitlines())) <= 80

    def test_interrupting_leaves_no_partial_file(self, tmp_path: Path) -> None:
        (tmp_path / "big.csv").write_bytes(b"question,answer\n" + b"some question,some answer\n" * 500_000)
        # whoever started the tests in the background had SIGINT ignored, which children inherit
        program = ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
                   " from service.cli import main; main()")
        with subprocess.Popen([sys.executable, "-c", program, "convert", "big.csv"], cwd=tmp_path,
                              env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            begun = time.monotonic()
            while ".big.jsonl.partial" not in names(tmp_path) and time.monotonic() < begun + 60:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        assert process.returncode not in (0, None)
        assert b"Traceback" not in told
        assert names(tmp_path) == {"big.csv"}


class TestTransform:
    def test_steps_follow_each_other_and_lines_keep_their_bytes(self, tuneworks: Run, tmp_path: Path) -> None:
        other = CHAT.replace(b"Hi?", b"Mail jane.doe@fastmail.de!")
        done = tuneworks("transform", "a.jsonl", "--with", "deduplicate", "--with", "redact", "-o", "b.jsonl",
                         a_jsonl=CHAT + CHAT + other)
        assert done.returncode == 0
        first, second = (tmp_path / "b.jsonl").read_bytes().splitlines(keepends=True)
        assert first == CHAT
        assert b"[EMAIL]" in second
        assert b"jane" not in second

    def test_a_split_makes_two_files(self, tuneworks: Run, tmp_path: Path) -> None:
        lines = b"".join(CHAT.replace(b"Hi?", b"%d" % at * 9).replace(b"Ho.", b"%d" % (at * 7919))
                         for at in range(100, 120))
        done = tuneworks("transform", "a.jsonl", "--with", '{"type": "split", "fraction": 0.8, "seed": 1}',
                         "-o", "b.jsonl", a_jsonl=lines)
        assert done.returncode == 0, done.words
        training, validation = ((tmp_path / f"b.{part}.jsonl").read_bytes().splitlines()
                                for part in ("training", "validation"))
        assert sorted(training + validation) == sorted(lines.splitlines())
        assert len(validation) == 4

    @pytest.mark.parametrize(("step", "words"), [("fly", "there are add_system_prompt"), ("{", "no JSON object")])
    def test_what_there_is_not_is_refused(self, tuneworks: Run, step: str, words: str) -> None:
        done = tuneworks("transform", "a.jsonl", "--with", step, "-o", "b.jsonl", a_jsonl=CHAT)
        assert done.returncode == 2
        assert words in done.words

    def test_each_step_says_what_it_kept_and_left_out(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"".join([*LINES, LINES[0], b"{\n"]))
        done = tuneworks("transform", "a.jsonl", "--with", "drop_invalid", "--with", "deduplicate", "--with",
                   '{"type": "sample", "examples": 10}', "--with", "split", "-o", "b.jsonl")
        assert done.returncode == 0
        assert done.stderr.splitlines() == [
            "drop_invalid: 13 of 14 lines kept, 1 left out", "deduplicate: 12 of 13 lines kept, 1 left out",
            "sample: 10 of 12 lines kept, 2 left out", "split: 9 to train on, 1 to validate with",
            "Written: b.training.jsonl, b.validation.jsonl"]
        assert names(tmp_path) == {"a.jsonl", "b.training.jsonl", "b.validation.jsonl"}

    def test_what_was_replaced_is_counted(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(LINES[0].replace(b"Question", b"I am ann.lee@contoso-mail.net:"))
        done = tuneworks("transform", "a.jsonl", "--with", "redact", "-o", "-")
        assert b"[EMAIL]" in done.stdout
        assert done.stderr.startswith("redact: 1 of 1 lines kept; 1 times")

    @pytest.mark.parametrize(("arguments", "told"), [
        (("--with", "explode", "-o", "b.jsonl"), "there is no transformation of type 'explode'"),
        (("--with", "{type}", "-o", "b.jsonl"), "is no JSON object"),
        (("--with", "split", "--with", "shuffle", "-o", "b.jsonl"), "split comes last"),
        (("--with", "split", "-o", "-"), "two files"), (("--with", "shuffle", "-o", "a.jsonl"), "is there already"),
        (("--with", "shuffle", "-o", "/nope/b.jsonl"), "No such file")])
    def test_what_cannot_be_done_is_said_with_exit_code_2(self, tuneworks: Run, tmp_path: Path,
                                                          arguments: tuple[str, ...], told: str) -> None:
        (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
        done = tuneworks("transform", "a.jsonl", *arguments)
        assert done.returncode == 2
        assert told in done.words
        assert names(tmp_path) == {"a.jsonl"}

    def test_a_split_that_cannot_be_is_refused_and_leaves_nothing(self, tuneworks: Run, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_bytes(LINES[0] * 5)
        done = tuneworks("transform", "a.jsonl", "--with", "split", "-o", "b.jsonl")
        assert (done.returncode, names(tmp_path)) == (2, {"a.jsonl"})
        assert "cannot be split" in done.stderr
