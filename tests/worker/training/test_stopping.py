"""Kills, pauses and cancels, on real processes: what was learned is kept exactly, and nothing runs on."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.training.conftest import Run, chats
from worker.training.plan import PARENT_FD_VARIABLE, STOP_FILE, ExitCode
from worker.training.progress import Checkpoint, Finished, Metrics, Started, Stopped

MakeRun = Callable[..., Run]
ENDLESS = 5000  # epochs


def stopped(run: Run) -> Stopped:
    last = run.records[-1]
    assert isinstance(last, Stopped)
    return last


@pytest.fixture(scope="module")
def undisturbed(make_run: MakeRun) -> Run:
    """One epoch of sixty steps with dropout, which nobody stops."""
    run = make_run(chats(240), n_epochs=1, tuning={"dropout": 0.1})
    assert run.complete() == ExitCode.FINISHED
    return run


def resume_equals(run: Run, whole: Run, *, from_step: int) -> None:
    """Run it to its end and compare it with one that was never disturbed."""
    assert run.complete() == ExitCode.FINISHED
    assert [started.resumed_from_step for started in run.of(Started)] == [0, from_step]
    assert run.losses() == whole.losses()
    assert run.last_weights() == whole.last_weights()
    assert run.of(Finished)[0].trained_tokens == whole.of(Finished)[0].trained_tokens


@pytest.mark.parametrize("tuning", [{"type": "lora", "dropout": 0.1}, {"type": "last_layers"}, {"type": "full"}])
def test_a_killed_run_ends_with_the_very_weights_of_an_undisturbed_one(
    make_run: MakeRun, tuning: dict[str, str]
) -> None:
    whole = make_run(tuning=tuning, n_epochs=4)
    assert whole.complete() == ExitCode.FINISHED
    run = make_run(tuning=tuning, n_epochs=4)
    process = run.start()
    run.wait_for(Checkpoint)
    process.kill()
    assert run.end(process) == -signal.SIGKILL
    newest = max(int(path.name.split("-")[1]) for path in (run.directory / "checkpoints").glob("step-*"))
    resume_equals(run, whole, from_step=newest)


def test_a_run_killed_before_its_first_checkpoint_begins_again(make_run: MakeRun, undisturbed: Run) -> None:
    run = make_run(chats(240), n_epochs=1, tuning={"dropout": 0.1})
    process = run.start()
    run.wait_for(Metrics)
    process.kill()
    run.end(process)
    resume_equals(run, undisturbed, from_step=0)


def test_a_run_killed_between_its_last_checkpoint_and_its_last_word_only_says_it(make_run: MakeRun) -> None:
    run = make_run()
    assert run.complete() == ExitCode.FINISHED
    told = len(run.of(Metrics))
    assert run.complete() == ExitCode.FINISHED
    assert len(run.of(Metrics)) == told
    assert len(run.of(Finished)) == 2


@pytest.mark.parametrize("way", ["pause", "sigterm"])
def test_a_paused_run_saves_at_the_end_of_its_step_and_goes_on_from_there(
    make_run: MakeRun, undisturbed: Run, way: str
) -> None:
    run = make_run(chats(240), n_epochs=1, tuning={"dropout": 0.1})
    process = run.start()
    run.wait_for(Metrics)
    if way == "pause":
        (run.directory / STOP_FILE).write_text("pause\n")
    else:
        assert process.pid
        os.kill(process.pid, signal.SIGTERM)
    assert run.end(process) == ExitCode.PREEMPTED
    last, checkpoint = stopped(run), run.of(Checkpoint)[-1]
    assert last.reason == way
    assert (last.step, last.checkpoint) == (checkpoint.step, checkpoint.path)
    assert not checkpoint.ends_epoch
    assert checkpoint.step == run.of(Metrics)[-1].step
    (run.directory / STOP_FILE).unlink(missing_ok=True)
    resume_equals(run, undisturbed, from_step=checkpoint.step)


def test_a_pause_before_the_first_step_keeps_nothing(make_run: MakeRun) -> None:
    run = make_run()
    (run.directory / STOP_FILE).write_text("pause")
    assert run.complete() == ExitCode.PREEMPTED
    assert (stopped(run).step, stopped(run).checkpoint) == (0, None)


def test_a_cancel_ends_in_the_middle_of_a_step(make_run: MakeRun) -> None:
    # One step of 2,000 examples, each a micro-batch of its own.
    run = make_run(chats(2000), batch_size=2000)
    process = run.start()
    run.wait_for(Started)
    (run.directory / STOP_FILE).write_text("cancel")
    assert run.end(process) == ExitCode.CANCELLED
    assert stopped(run).reason == "cancel"
    assert run.of(Metrics) == []
    assert not list((run.directory / "checkpoints").iterdir())


def test_a_cancel_overrides_a_pause(make_run: MakeRun) -> None:
    run = make_run(chats(2000), batch_size=2000)
    process = run.start()
    run.wait_for(Started)
    (run.directory / STOP_FILE).write_text("pause")
    (run.directory / STOP_FILE).write_text("cancel")
    assert run.end(process) == ExitCode.CANCELLED


def test_a_torn_checkpoint_is_passed_over(make_run: MakeRun) -> None:
    whole, run = make_run(), make_run()
    assert whole.complete() == ExitCode.FINISHED
    shutil.copytree(whole.directory / "checkpoints", run.directory / "checkpoints")
    weights = run.directory / "checkpoints" / "step-8" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert run.complete() == ExitCode.FINISHED
    assert run.of(Started)[0].resumed_from_step == 4
    assert run.last_weights() == whole.last_weights()


def test_the_last_three_checkpoints_are_kept(make_run: MakeRun) -> None:
    run = make_run(chats(4), n_epochs=5)
    assert run.complete() == ExitCode.FINISHED
    assert len(run.of(Checkpoint)) == 5
    assert {path.name for path in (run.directory / "checkpoints").iterdir()} == {"step-3", "step-4", "step-5"}


def test_the_command_does_not_outlive_who_started_it(make_run: MakeRun) -> None:
    run = make_run(n_epochs=ENDLESS)
    run.plan.write(run.directory)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.training", str(run.directory)],
        pass_fds=[reading],
        env=os.environ | {PARENT_FD_VARIABLE: str(reading)},  # all of ours, and one more
        stderr=subprocess.DEVNULL,
    )
    os.close(reading)
    run.wait_for(Metrics)
    os.close(writing)  # as the kernel does when the supervisor is killed
    assert process.wait(60) == ExitCode.PREEMPTED
    assert stopped(run).reason == "parent_gone"
    assert Path(stopped(run).checkpoint or "").is_dir()


def test_two_processes_learn_what_one_learns(make_run: MakeRun) -> None:
    one, two = make_run(chats(10), batch_size=5, n_epochs=1), make_run(chats(10), batch_size=5, n_epochs=1)
    assert one.complete() == ExitCode.FINISHED
    two.plan.write(two.directory)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    done = subprocess.run(
        [*command, "-m", "worker.training", str(two.directory)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        pass_fds=[reading],
        env=os.environ | {PARENT_FD_VARIABLE: str(reading)},  # all of ours, and one more
    )
    os.close(reading)
    os.close(writing)
    assert done.returncode == ExitCode.FINISHED, done.stderr[-2000:]
    for step, loss in one.losses().items():
        assert two.losses()[step] == pytest.approx(loss, rel=1e-4)
    assert len(two.of(Finished)) == 1
    state = Path(two.of(Finished)[0].checkpoint) / "trainer"
    assert {path.name for path in state.glob("rng*")} == {"rng_state_0.pth", "rng_state_1.pth"}
