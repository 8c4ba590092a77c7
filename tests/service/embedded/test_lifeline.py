"""A child's end when its supervisor is gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_CHILD = """
import signal, sys, time
from service.kit.lifeline import watch_parent
signal.signal(signal.SIGTERM, {on_sigterm})
watch_parent(grace_seconds=0.2)
print("watching", flush=True)
while True:
    time.sleep(0.05)
"""


def child(on_sigterm: str, lifeline: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD.format(on_sigterm=on_sigterm)], stdout=subprocess.PIPE, text=True,
        pass_fds=(lifeline,), env={"TUNEWORKS_PARENT_FD": str(lifeline)})
    assert process.stdout is not None
    assert process.stdout.readline() == "watching\n"
    return process


@pytest.mark.parametrize(("on_sigterm", "code"), [
    ("lambda *_: sys.exit(7)", 7),  # an orderly end
    ("signal.SIG_IGN", 1),          # deaf: ended hard
])
def test_child_ends_with_its_parent(on_sigterm: str, code: int) -> None:
    ours, theirs = os.pipe()
    with child(on_sigterm, ours) as process:
        os.close(ours)
        assert process.poll() is None
        os.close(theirs)
        assert process.wait(30) == code


def test_number_that_names_no_pipe_is_ignored() -> None:
    with Path(os.devnull).open() as file, child("lambda *_: sys.exit(7)", file.fileno()) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 7
