"""The process ends when it should: with its parent, on SIGTERM, and when it cannot serve what it was told to."""

import asyncio
import signal
from pathlib import Path

import pytest

from worker.serving import process

from .conftest import HELLO, running


def test_on_sigterm_running_answers_are_finished(model_path: Path) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 100, "temperature": 0, "stream": True}
    with running("--base", f"tiny={model_path}", "--drain", "60") as server:
        with server.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            assert "data: [DONE]" in list(lines)
        assert server.process.wait(timeout=60) == 0


def test_a_base_that_cannot_be_loaded_ends_the_start(caplog: pytest.LogCaptureFixture) -> None:
    options = process.arguments(["--base", "x=/nowhere"])
    assert asyncio.run(process.serve(options, {})) == 1
    assert "base x: No directory found" in caplog.text
