"""`tuneworks convert` and `tuneworks transform`: what they write, what they say, and their exit codes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app

ALPACA = json.dumps([{"instruction": "Hi?", "output": "Ho."}, {"instruction": "", "output": "x"}]).encode()
CHAT = b'{"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ho."}]}\n'


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: bytes
    words: str
    "Standard error, however it was broken into lines and framed."


Run = Callable[..., Done]


@pytest.fixture
def tuneworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`tuneworks …` in a directory with the given files and nothing else."""
    monkeypatch.chdir(tmp_path)

    def begin(*arguments: str, stdin: bytes = b"", **files: bytes) -> Done:
        for name, data in files.items():
            (tmp_path / name.replace("_", ".")).write_bytes(data)
        done = CliRunner().invoke(app, arguments, input=stdin)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout_bytes, " ".join(done.stderr.replace("│", " ").split()))
    return begin


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
