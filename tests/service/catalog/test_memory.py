"""Predicted memory is what was measured: on a GPU with this trainer, and by tracing single steps."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.base_models import BUILT_IN, Shape, read
from service.catalog.memory import GiB, Precision, adapter_parameters, fits, need, peak

MODELS = read(BUILT_IN)
LORA, FULL = {"type": "lora", "rank": 16}, {"type": "full"}
TRAINED_ON_GPU = Precision(still=2)
ALL_MOVE_ON_GPU = Precision(still=4, copied=2)


def shape(name: str) -> Shape:
    found = MODELS[name].shape
    assert found is not None
    return found


@pytest.mark.parametrize(("tuning", "checkpointing", "tiled", "precision", "measured"), [
    (LORA, False, False, TRAINED_ON_GPU, 85.3),
    (LORA, False, True, TRAINED_ON_GPU, 74.9),
    (LORA, True, False, TRAINED_ON_GPU, 29.0),
    (LORA, True, True, TRAINED_ON_GPU, 20.0),
    (FULL, True, True, Precision(moving=2, gradient=2, moments=4, scratch=2), 74.9),
])
def test_one_step_of_an_8b_llama_over_two_times_4096_tokens(
        tuning: dict[str, Any], *, checkpointing: bool, tiled: bool, precision: Precision, measured: float) -> None:
    predicted = peak(shape("llama-3.1-8b-instruct"), tuning, tokens=8192, checkpointing=checkpointing,
                     precision=precision, tiled_head=tiled, accumulating=False) / GiB
    assert predicted == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(("tuning", "precision", "measured"), [
    (FULL, Precision(activation=4, scratch=4), 2.5),
    (LORA, Precision(still=4, activation=4), 1.5),
])
def test_one_step_of_smollm2_in_float32(tuning: dict[str, Any], precision: Precision, measured: float) -> None:
    predicted = peak(shape("smollm2-135m-instruct"), tuning, tokens=512, checkpointing=False, precision=precision,
                     tiled_head=False, accumulating=False) / GiB
    assert predicted == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(("model", "tuning", "tokens", "checkpointing", "measured"), [
    ("smollm2-135m-instruct", LORA, 16_384, False, 12.87),
    ("smollm2-135m-instruct", FULL, 16_384, False, 16.31),
    ("qwen2.5-0.5b-instruct", LORA, 16_384, False, 23.56),
    ("qwen2.5-1.5b-instruct", LORA, 16_384, False, 49.95),
    ("qwen2.5-1.5b-instruct", FULL, 16_384, False, 76.05),
    ("llama-3.1-8b-instruct", LORA, 16_384, True, 24.56),
    ("llama-3.1-8b-instruct", LORA, 4_096, False, 41.98),
])
def test_whole_runs_that_were_measured_on_an_h200(
        model: str, tuning: dict[str, Any], tokens: int, *, checkpointing: bool, measured: float) -> None:
    predicted = peak(shape(model), tuning, tokens=tokens, checkpointing=checkpointing,
                     precision=TRAINED_ON_GPU if tuning is LORA else ALL_MOVE_ON_GPU) / GiB
    assert predicted == pytest.approx(measured, rel=0.07)


@pytest.mark.parametrize(("model", "tuning", "batch_size", "measured"), [
    ("qwen2.5-7b-instruct", LORA, 32, 23.60),
    ("qwen2.5-0.5b-instruct", FULL, 32, 32.58),
    ("llama-3.1-8b-instruct", {"type": "lora", "rank": 64}, 2, 18.21),
    ("qwen2.5-0.5b-instruct", {"type": "last_layers", "layers": 2}, 32, 4.74),
    ("smollm2-135m-instruct", LORA, 4, 3.64),
])
def test_runs_that_nothing_was_fitted_to(model: str, tuning: dict[str, Any], batch_size: int, measured: float) -> None:
    """On the same H200, examples of 1,000 tokens; what is allocated lies within what is said to be needed."""
    needed = need(shape(model), tuning, kind="cuda", device_bytes=143_771 * 2**20, longest=1_000,
                  batch_size=batch_size).bytes / GiB
    assert measured < needed < measured * 1.15 + 1.5


def test_an_8b_full_tuning_does_not_fit_an_h200_and_its_lora_does() -> None:
    h200 = 143_771 * 2**20
    for tuning, answer in ((FULL, "no"), (LORA, "yes")):
        needed = need(shape("llama-3.1-8b-instruct"), tuning, kind="cuda", device_bytes=h200, longest=1_000,
                      batch_size=16)
        assert fits(needed.bytes, h200, "cuda") == answer
        assert needed.checkpointing


def test_the_smallest_model_is_trained_on_a_laptop_without_a_gpu() -> None:
    needed = need(shape("smollm2-135m-instruct"), LORA, kind="cpu", device_bytes=8 * GiB, longest=400, batch_size=1)
    assert fits(needed.bytes, 8 * GiB, "cpu") == "yes"
    assert (needed.checkpointing, needed.micro_batch_tokens) == (False, 400)
    assert fits(needed.bytes, needed.bytes, "cpu") == "unknown"


def test_adapters_have_as_many_weights_as_were_counted() -> None:
    assert adapter_parameters(shape("smollm2-135m-instruct"), 16) == pytest.approx(4.88e6, rel=0.01)
    assert adapter_parameters(shape("llama-3.1-8b-instruct"), 16) == pytest.approx(41.9e6, rel=0.01)


@given(st.sampled_from([name for name, entry in MODELS.items() if entry.shape]), st.integers(1, 30_000),
       st.integers(1, 30_000), st.sampled_from([LORA, FULL, {"type": "last_layers", "layers": 2}]))
def test_more_tokens_never_need_less(model: str, tokens: int, more: int, tuning: dict[str, Any]) -> None:
    def needed(count: int) -> int:
        return need(shape(model), tuning, kind="cuda", device_bytes=80 * GiB, longest=count, batch_size=4).bytes
    assert needed(tokens) <= needed(tokens + more)
