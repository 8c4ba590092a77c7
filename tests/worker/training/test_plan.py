"""Plans survive the way through the file, and wrong ones say why."""

from pathlib import Path

import msgspec
import pytest

from worker.training.plan import PLAN_FILE, Plan, Tuning, read_plan

PLAN = Plan(
    job_id="ftjob-1",
    base_model="/models/a",
    training_file="/data/a.jsonl",
    context_length=128,
    n_epochs=1,
    batch_size=1,
    learning_rate_multiplier=0.5,
    seed=0,
)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "new")
    assert read_plan(tmp_path / "new") == PLAN


def test_alpha_is_twice_the_rank_unless_said() -> None:
    assert Tuning(rank=64).effective_alpha == 128
    assert Tuning(rank=64, alpha=8).effective_alpha == 8


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        ('"rank": 16', '"rank": 17', "rank"),
        ('"dropout": 0.0', '"dropout": 0.6', "dropout"),
        ('"type": "lora"', '"type": "qlora"', "type"),
        ('"n_epochs": 1', '"n_epochs": 0', "n_epochs"),
        ('"seed": 0', '"sead": 0', "sead"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, was: str, becomes: str, complaint: str) -> None:
    PLAN.write(tmp_path)
    path = tmp_path / PLAN_FILE
    path.write_text(path.read_text().replace(was, becomes))
    with pytest.raises(msgspec.ValidationError, match=complaint):
        read_plan(tmp_path)
