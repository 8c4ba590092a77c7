"""Counting says before training what training says when it starts."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service import commands
from service.datasets.analysis import trained
from tests.worker.training.conftest import Run, chats
from worker.training.counting import Counted, Record, Refused, read_lines
from worker.training.plan import ExitCode
from worker.training.progress import Started

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
MIXED: list[dict[str, Any]] = [
    *chats(12),
    {"messages": [{"role": "user", "content": "Nobody answers."}]},
    {"messages": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "tool_calls": [CALL]},
                  {"role": "tool", "tool_call_id": "c1", "content": "12 degrees"},
                  {"role": "assistant", "content": "It is raining.", "weight": 0},
                  {"role": "user", "content": "Really?"}, {"role": "assistant", "content": "Yes."}], "tools": [TOOL]},
    {"messages": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "long " * 300},
                  {"role": "assistant", "content": "It lies beyond the context."}]},
    {"messages": [{"role": "user", "content": "Tell me of Rome."},
                  {"role": "assistant", "content": "Rome is old. " * 60}]},
]
CONTEXT = 128


def counted(base: Path, data: bytes, context: int = CONTEXT) -> list[Record]:
    done = subprocess.run(commands.count_tokens(str(base), context), input=data, capture_output=True, check=True)
    return [msgspec.json.decode(line, type=Counted | Refused) for line in done.stdout.splitlines()]


def test_the_counts_are_those_of_a_real_run(make_run: Callable[..., Run], tiny_model: Path) -> None:
    run = make_run(MIXED, context_length=CONTEXT, n_epochs=1)
    assert run.complete() == ExitCode.FINISHED
    started: Started = run.of(Started)[0]
    [told] = counted(tiny_model, Path(run.plan.training_file).read_bytes())
    assert isinstance(told, Counted)
    assert (told.trained, told.learned) == (started.trained_tokens_per_epoch, started.trainable_tokens)
    assert (len(told.lengths), told.skipped) == (started.n_examples, started.n_examples_skipped) == (14, 2)
    assert sum(length > CONTEXT for length in told.lengths) == started.n_examples_truncated > 0
    assert told.lines == [*range(1, 13), 14, 16]
    assert sum(told.lengths) > told.trained


def test_lines_that_are_no_chats_are_skipped(tiny_model: Path) -> None:
    good = b"".join(json.dumps(each).encode() + b"\r\n" for each in chats(3))
    [clean] = counted(tiny_model, good)
    [told] = counted(tiny_model, b"\xef\xbb\xbf" + good + b"\n{\n[]\n\xff\n" + b"[" * 100_000 + b"\nnull")
    assert isinstance(clean, Counted)
    assert isinstance(told, Counted)
    assert told.skipped == 5
    assert msgspec.structs.replace(told, skipped=0, bytes=0) == msgspec.structs.replace(clean, bytes=0)


def test_progress_is_told_between(tiny_model: Path) -> None:
    line = json.dumps(chats(1)[0]).encode() + b"\n"
    told = counted(tiny_model, line * 1200)
    assert [each.bytes // len(line) for each in told if isinstance(each, Counted)] == [500, 1000, 1200]


def test_a_directory_without_a_model_is_told(tmp_path: Path) -> None:
    [told] = counted(tmp_path, b"")
    assert isinstance(told, Refused)
    assert told.problem.startswith("The base model cannot be used: its tokenizer cannot be loaded")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\nlast"])
def test_of_a_line_without_end_only_the_beginning_is_held(ending: bytes) -> None:
    mebibyte = 1024 * 1024
    lines = list(read_lines(io.BytesIO(b"first\n" + b"x" * 20 * mebibyte + ending)))
    assert [len(line) for line in lines] == [6, 8 * mebibyte] + ([4] if ending == b"\nlast" else [])


def test_the_house_reads_its_records_as_they_are_written() -> None:
    for ours, theirs in ((trained.Counted, Counted), (trained.Refused, Refused)):
        assert [(each.name, each.type) for each in msgspec.structs.fields(ours)] == [
            (each.name, each.type) for each in msgspec.structs.fields(theirs)]
        assert ours.__struct_config__.tag == theirs.__struct_config__.tag
