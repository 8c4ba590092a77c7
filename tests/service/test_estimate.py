"""`tuneworks estimate` tells on a laptop what a pre-flight tells in the house, and ends with 1 on a block."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.candidates import dollars, spoken
from service.settings import settings
from tests.service.datasets.analysed import different, pairs
from worker.training.base_models import tiny


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
    assert "provided method=supervised" in " ".join(misfit.output.split())


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


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["estimate", *arguments])


def told(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return found


@pytest.fixture
def tiny_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tiny model under the name of one that the catalog knows, on this machine."""
    monkeypatch.setenv("TUNEWORKS_MODELS_DIR", str(tmp_path / "models"))
    settings.cache_clear()
    tiny(tmp_path / "models" / "smollm2-135m-instruct")
    yield
    settings.cache_clear()


class TestOwnTokenizers:
    @pytest.mark.usefixtures("tiny_base")
    def test_a_model_that_lies_here_counts_by_itself(self, train: Path) -> None:
        [local] = told(str(train), "--model", "smollm2-135m-instruct")["candidates"]
        tokens = local["estimate"]["tokens"]
        assert (tokens["exact"], tokens["basis"]) == (True, "counted by smollm2-135m-instruct")
        assert tokens["low"] == tokens["expected"] == tokens["high"] > 0

    def test_one_that_does_not_is_taken_by_a_factor_and_says_how_to_mend_it(
            self, train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUNEWORKS_MODELS_DIR", str(tmp_path / "none"))
        settings.cache_clear()
        [local] = told(str(train), "--model", "smollm2-135m-instruct")["candidates"]
        settings.cache_clear()
        assert local["estimate"]["tokens"]["exact"] is False
        [reason] = [each["message"] for each in local["reasons"] if each["code"] == "not_counted"]
        assert reason.endswith("Fetch it with: tuneworks models pull smollm2-135m-instruct")

    @pytest.mark.usefixtures("tiny_base")
    def test_a_large_file_is_not_counted_so(self, train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUNEWORKS_COUNT_EXACTLY_BYTES", "1000")
        settings.cache_clear()
        [local] = told(str(train), "--model", "smollm2-135m-instruct")["candidates"]
        assert local["estimate"]["tokens"]["exact"] is False
        assert "not_counted" in {each["code"] for each in local["reasons"]}

    @pytest.mark.usefixtures("tiny_base")
    def test_a_broken_tokenizer_is_told_in_words(self, train: Path) -> None:
        (settings().models_dir / "smollm2-135m-instruct" / "tokenizer.json").write_text("{")
        [local] = told(str(train), "--model", "smollm2-135m-instruct")["candidates"]
        [reason] = [each["message"] for each in local["reasons"] if each["code"] == "not_counted"]
        assert reason.startswith("The base model cannot be used: its tokenizer cannot be loaded")


class TestOptions:
    def test_the_cheapest_comes_first_and_what_blocks_last(self, train: Path) -> None:
        names = [each["model"] for each in told(
            str(train), "--model", "gpt-3.5-turbo", "--model", "gpt-4o", "--model", "gpt-4o-mini")["candidates"]]
        assert names == ["gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06", "gpt-3.5-turbo-0125"]

    def test_rank_reaches_the_memory_that_is_needed(self, train: Path) -> None:
        small, large = (told(str(train), "--model", "qwen3-4b", "--rank", rank)["candidates"][0]["estimate"]["memory"][
            0]["needed"] for rank in ("8", "512"))
        assert small < large

    @pytest.mark.parametrize("arguments", [("--rank", "7"), ("--rank", "8", "--tuning", "full"), ("--tuning", "half"),
                                           ("--method", "magic"), ("--epochs", "0"), ("--validation", "nowhere")])
    def test_nonsense_is_refused(self, train: Path, arguments: tuple[str, ...]) -> None:
        assert run(str(train), "--model", "qwen3-4b", *arguments).exit_code == 2

    def test_reinforcement_wants_a_validation_file(self, train: Path) -> None:
        done = run(str(train), "--model", "o4-mini", "--method", "reinforcement")
        assert done.exit_code == 1
        assert "needs a validation file" in done.output

    def test_a_validation_file_is_looked_at_and_not_billed(self, train: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.jsonl"
        other.write_bytes(different(3) + b"{}\n")
        both = told(str(train), "--model", "gpt-4o-mini", "--validation", str(other))
        alone = told(str(train), "--model", "gpt-4o-mini")
        assert both["candidates"][0]["estimate"]["cost"] == alone["candidates"][0]["estimate"]["cost"]
        assert (both["verdict"], both["files"][1]["report"]["errors"]) == ("block", 1)

    def test_of_what_is_over_it_says_which_models_live_longer(self, train: Path) -> None:
        done = run(str(train), "--model", "gpt-3.5-turbo")
        words = " ".join(done.output.split())
        assert "Living longer:" in words
        assert "qwen3-8b" in words.partition("Living longer:")[2] or "more." in words
        assert told(str(train), "--model", "qwen3-8b")["living_longer"] == []

    def test_images_are_reckoned(self, tmp_path: Path) -> None:
        lines = [{"messages": [
            {"role": "user", "content": [{"type": "text", "text": f"What is picture {at}?"}, {
                "type": "image_url", "image_url": {"url": f"https://example.com/{at}.png", "detail": "low"}}]},
            {"role": "assistant", "content": f"It is number {at}."}]} for at in range(12)]
        path = tmp_path / "images.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        [candidate] = told(str(path), "--model", "gpt-4o", "--epochs", "1")["candidates"]
        tokens = candidate["estimate"]["tokens"]
        assert tokens["expected"] - tokens["low"] == 12 * 85
        assert "12 images are taken to make 1,020 more" in tokens["basis"]

    def test_nothing_is_wider_than_80_columns(self, train: Path) -> None:
        done = run(str(train), "--model", "gpt-4.1-mini", "--model", "gpt-3.5-turbo", "--model",
                   "qwen2.5-0.5b-instruct")
        assert max(len(line) for line in done.output.splitlines()) <= 80
