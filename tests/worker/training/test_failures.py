"""Every bad end is a record in plain words, with a code, and no traceback."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.worker.training.conftest import Run, chats, write_lines
from worker.training.failures import explain
from worker.training.plan import PLAN_FILE, ExitCode
from worker.training.progress import Checkpoint, Failed, FailureCode, Finished, Metrics

MakeRun = Callable[..., Run]
UNANSWERED = {"messages": [{"role": "user", "content": "Is anybody there?"}]}


def failure(run: Run, *, exit_code: ExitCode = ExitCode.REJECTED, largest_file: int | None = None) -> Failed:
    assert run.end(run.start(largest_file=largest_file)) == exit_code
    failed = run.records[-1]
    assert isinstance(failed, Failed)
    assert "Traceback" not in failed.message
    return failed


@pytest.mark.parametrize(
    ("examples", "code", "words"),
    [
        ([UNANSWERED] * 3, FailureCode.NO_TRAINABLE_TOKENS, "weight 0"),
        ([], FailureCode.NO_TRAINABLE_TOKENS, "No example"),
        ([*chats(2), {"messages": 5}], FailureCode.INVALID_TRAINING_FILE, "Line 3"),
    ],
)
def test_a_file_to_learn_nothing_from(make_run: MakeRun, examples: list[Any], code: FailureCode, words: str) -> None:
    failed = failure(make_run(examples))
    assert (failed.code, failed.param) == (code, "training_file")
    assert words in failed.message


def test_a_validation_file_with_a_bad_line(make_run: MakeRun, tmp_path: Path) -> None:
    failed = failure(make_run(validation_file=write_lines(tmp_path / "valid.jsonl", [5])))
    assert (failed.code, failed.param) == (FailureCode.INVALID_VALIDATION_FILE, "validation_file")


def test_a_validation_file_with_nothing_to_measure_is_as_none(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(validation_file=write_lines(tmp_path / "valid.jsonl", [UNANSWERED]), n_epochs=1)
    assert run.complete() == ExitCode.FINISHED
    assert all(metrics.full_valid_loss is None for metrics in run.of(Metrics))


@pytest.mark.parametrize("content", [None, "{", '{"job_id": "x"}'])
def test_a_plan_that_cannot_be_read(make_run: MakeRun, content: str | None) -> None:
    run = make_run()
    process = run.start  # the plan is spoiled between writing and starting, as a full disk would
    run.plan = _Spoiled(content)  # type: ignore[assignment]  # it only has to write itself
    assert run.end(process()) == ExitCode.REJECTED
    assert run.of(Failed)[0].code == FailureCode.INVALID_PLAN


class _Spoiled:
    def __init__(self, content: str | None) -> None:
        self.content = content

    def write(self, run: Path) -> None:
        if self.content is not None:
            (run / PLAN_FILE).write_text(self.content)


@pytest.mark.parametrize("missing", ["everything", "weights", "chat template"])
def test_a_base_model_that_cannot_be_used(make_run: MakeRun, tiny_model: Path, tmp_path: Path, missing: str) -> None:
    base = tmp_path / "base"
    if missing != "everything":
        shutil.copytree(tiny_model, base)
        (base / {"weights": "model.safetensors", "chat template": "chat_template.jinja"}[missing]).unlink()
    failed = failure(make_run(base_model=str(base)))
    assert (failed.code, failed.param) == (FailureCode.BASE_MODEL_UNAVAILABLE, "model")


def test_a_loss_that_is_no_number(make_run: MakeRun, tiny_model: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][5] = torch.nan
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    run = make_run(base_model=str(base))
    failed = failure(run)
    assert (failed.code, failed.param) == (FailureCode.NAN_LOSS, "learning_rate_multiplier")
    assert [metrics.train_loss for metrics in run.of(Metrics)] == [None, None]
    assert run.of(Checkpoint) == []


def test_a_full_disk_leaves_nothing_half_and_is_worth_another_try(make_run: MakeRun) -> None:
    run = make_run(n_epochs=1)
    failed = failure(run, exit_code=ExitCode.CRASHED, largest_file=300_000)
    assert failed.code == FailureCode.DISK_FULL
    assert list((run.directory / "checkpoints").iterdir()) == []
    assert run.complete() == ExitCode.FINISHED
    assert run.of(Finished)


def test_memory_that_is_not_there() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(10**15)
    for error in (refused.value, MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory.")):
        assert explain(error).code == FailureCode.OUT_OF_MEMORY
        assert "batch size" in explain(error).message


def test_an_unknown_error_keeps_its_text_to_the_log() -> None:
    failed = explain(ValueError("secret of a customer"))
    assert failed.code == FailureCode.SERVER_ERROR
    assert "secret" not in failed.message


def test_no_space_left_on_a_real_device() -> None:
    with pytest.raises(OSError, match="space") as full, Path("/dev/full").open("w") as device:  # noqa: PT012  # it flushes
        device.write("x")
        device.flush()
    assert full.value.errno == errno.ENOSPC
    assert explain(full.value).code == FailureCode.DISK_FULL
