"""`tuneworks estimate` tells on a laptop what a pre-flight tells in the house, and ends with 1 on a block."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.estimate import dollars, spoken
from tests.service.datasets.analysed import different, pairs


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_bytes(different(60))
    return path


def test_candidates_are_compared(train: Path) -> None:
    done = CliRunner().invoke(app, ["estimate", str(train), "--model", "smollm2-135m-instruct",
                                    "--model", "gpt-4.1-mini"])
    assert done.exit_code in {0, 1}, done.output  # 1 where this machine has too little memory
    for words in ("smollm2-135m-instruct", "gpt-4.1-mini", "OpenAI pricing page, 2026-11-22", "3 epochs"):
        assert words in done.output


def test_the_same_for_machines(train: Path) -> None:
    done = CliRunner().invoke(app, ["estimate", str(train), "--model", "gpt-4o-mini", "--epochs", "2", "--json"])
    told = json.loads(done.output)
    [candidate] = told["candidates"]
    cost, tokens = candidate["estimate"]["cost"], told["files"][0]["report"]["tokens"]["billed"]
    assert candidate["estimate"]["epochs"] == 2
    assert cost["low"] == 2 * tokens * 3
    assert cost["low"] <= cost["expected"] <= cost["high"]


def test_a_dead_model_and_a_misfit_end_with_one(train: Path, tmp_path: Path) -> None:
    dead = CliRunner().invoke(app, ["estimate", str(train), "--model", "gpt-3.5-turbo"])
    assert dead.exit_code == 1
    assert "shut down" in dead.output
    other = tmp_path / "pairs.jsonl"
    other.write_bytes(pairs(20))
    misfit = CliRunner().invoke(app, ["estimate", str(other), "--model", "smollm2-135m-instruct"])
    assert misfit.exit_code == 1
    assert "provided method=supervised" in misfit.output.replace("\n", " ")


def test_an_unknown_model_is_refused_in_words(train: Path) -> None:
    done = CliRunner().invoke(app, ["estimate", str(train), "--model", "gpt-9"])
    assert done.exit_code == 2


@pytest.mark.parametrize(("micro", "shown"), [
    (0, "$0.00"), (40_560, "$0.04056"), (500_000, "$0.50"), (1_234_567_891, "$1,234.56"), (1, "$0.000001")])
def test_money_is_shown_as_people_read_it(micro: int, shown: str) -> None:
    assert dollars(micro) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(5, "5 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"),
                                                (200_000, "2 d")])
def test_time_is_shown_in_the_unit_that_fits(seconds: int, shown: str) -> None:
    assert spoken(seconds) == shown
