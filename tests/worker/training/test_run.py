"""Training learns, tells what it does, and every way of tuning moves what it should and nothing else."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.worker.training.conftest import Run, chats, write_lines
from worker.training.manifests import is_whole
from worker.training.plan import ExitCode, StartFrom
from worker.training.progress import Checkpoint, Finished, Metrics, Stage, Started

MakeRun = Callable[..., Run]
RATE = 20.0  # a random model of this size needs larger steps than a trained one


def weights(checkpoint: str, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(Path(checkpoint) / name)


# The seeded losses of the first and the last of twenty steps. They change with the initial weights, the data order, the
# schedule, the masks or the optimizer: whoever changes one of these on purpose changes the figures too.
@pytest.mark.parametrize(
    ("tuning", "rate", "first", "last"),
    [("lora", 5, 6.6466, 4.2777), ("full", 20, 6.6466, 2.3727), ("last_layers", 10, 6.6466, 4.3425)],
)
def test_the_loss_falls_as_it_did_before(
    make_run: MakeRun, tuning: str, rate: float, first: float, last: float
) -> None:
    run = make_run(tuning={"type": tuning}, n_epochs=5, learning_rate_multiplier=rate)
    assert run.complete() == ExitCode.FINISHED
    assert run.losses()[1] == pytest.approx(first, rel=1e-4)
    assert run.losses()[20] == pytest.approx(last, rel=1e-2)


def test_the_records_tell_the_whole_story(make_run: MakeRun, tmp_path: Path) -> None:
    examples = [*chats(14), {"messages": [{"role": "user", "content": "Nobody answers."}]}]
    valid = write_lines(tmp_path / "valid.jsonl", chats(5))
    run = make_run(examples, validation_file=valid)
    assert run.complete() == ExitCode.FINISHED
    started: Started = run.of(Started)[0]
    assert (started.n_examples, started.n_examples_skipped, started.n_validation_examples) == (14, 1, 5)
    assert (started.total_steps, started.resumed_from_step) == (8, 0)
    assert 0 < started.trainable_tokens < started.trained_tokens_per_epoch
    assert 0 < started.parameters_trainable < started.parameters_total
    assert (started.device, started.dtype) == ("cpu", "float32")
    assert "⟦" in started.sample
    metrics: list[Metrics] = run.of(Metrics)
    assert [(one.step, one.epoch) for one in metrics] == [(step, 1 + (step > 4)) for step in range(1, 9)]
    assert [one.step for one in metrics if one.full_valid_loss is not None] == [4, 8]
    assert [one.step for one in metrics if one.valid_loss is not None] == [1, 2, 3, 5, 6, 7]
    assert metrics[-1].seconds_left == 0
    checkpoints: list[Checkpoint] = run.of(Checkpoint)
    assert [(one.step, one.ends_epoch, one.final) for one in checkpoints] == [(4, True, False), (8, True, True)]
    assert all(one.metrics and one.metrics.step == one.step and is_whole(Path(one.path)) for one in checkpoints)
    finished = run.records[-1]
    assert isinstance(finished, Finished)
    assert finished.trained_tokens == 2 * started.trained_tokens_per_epoch
    assert finished.checkpoint == checkpoints[-1].path
    assert [one.name for one in run.of(Stage)][:4] == ["rendering", "loading_model", "training", "evaluating"]


def test_micro_batches_change_nothing_that_is_learned(make_run: MakeRun) -> None:
    whole, cut = make_run(n_epochs=1), make_run(n_epochs=1)
    for run, budget in ((whole, 100_000), (cut, 1)):
        knobs = msgspec.structs.replace(run.plan.knobs, max_tokens_per_micro_batch=budget)
        run.plan = msgspec.structs.replace(run.plan, knobs=knobs)
        assert run.complete() == ExitCode.FINISHED
    for step, loss in whole.losses().items():
        assert cut.losses()[step] == pytest.approx(loss, rel=1e-4)


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # PEFT asks transformers by its old name
def test_an_adapter_can_be_put_on_its_base_and_answers_otherwise(make_run: MakeRun, tiny_model: Path) -> None:
    run = make_run(tuning={"rank": 8, "alpha": 4}, learning_rate_multiplier=RATE)
    assert run.complete() == ExitCode.FINISHED
    path = run.of(Finished)[0].checkpoint
    assert {file.name for file in Path(path).iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "manifest.json",
        "trainer",
    }
    base: Any = AutoModelForCausalLM.from_pretrained(tiny_model)
    ids = torch.arange(10, 30).unsqueeze(0)
    before = base(ids).logits
    tuned: Any = PeftModel.from_pretrained(base, path)
    assert tuned.peft_config["default"].r == 8
    assert tuned.peft_config["default"].base_model_name_or_path == tiny_model.name
    assert (tuned(ids).logits - before).abs().max() > 0.01


def test_last_layers_leaves_the_earlier_ones_and_the_embeddings_alone(make_run: MakeRun, tiny_model: Path) -> None:
    run = make_run(tuning={"type": "last_layers", "layers": 1})
    assert run.complete() == ExitCode.FINISHED
    checkpoint = run.of(Finished)[0].checkpoint
    before, after = weights(str(tiny_model)), weights(checkpoint)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if ".layers.3." in name} | {"model.norm.weight"}
    assert AutoTokenizer.from_pretrained(checkpoint).chat_template


def test_full_moves_everything(make_run: MakeRun, tiny_model: Path) -> None:
    run = make_run(tuning={"type": "full"})
    assert run.complete() == ExitCode.FINISHED
    before, after = weights(str(tiny_model)), weights(run.of(Finished)[0].checkpoint)
    assert all(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("tuning", "kind"), [("lora", "adapter"), ("full", "model")])
def test_a_tuned_model_can_be_tuned_further(make_run: MakeRun, tuning: str, kind: Any) -> None:
    first = make_run(tuning={"type": tuning}, learning_rate_multiplier=RATE)
    assert first.complete() == ExitCode.FINISHED
    start = StartFrom(kind=kind, path=first.of(Finished)[0].checkpoint)
    second = make_run(tuning={"type": tuning}, learning_rate_multiplier=RATE, start_from=start)
    assert second.complete() == ExitCode.FINISHED
    assert (second.losses()[1] or math.inf) < (first.losses()[8] or 0) + 0.2
