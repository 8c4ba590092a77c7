"""Tokens, money and time before a job: exact where bills confirm it, an interval where they do not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.base_models import BUILT_IN, read
from service.catalog.durations import Device, flops_per_token, measured_speed, reckoned_speed
from service.catalog.estimates import Place, cost, estimate, over_context, resolved, tokens_per_epoch
from service.catalog.memory import GiB
from tests.service.catalog.counts import stats

MODELS = read(BUILT_IN)
LORA = {"type": "lora", "rank": 16}
H200 = Device("cuda", "NVIDIA H200", 143_771 * 2**20)
LAPTOP = Device("cpu", "2 cores", 8 * GiB, cores=2)


class TestMoney:
    @pytest.mark.parametrize(("billed", "tokens", "micro_dollars"), [(507, 5070, 40_560), (583, 5830, 46_640)])
    def test_the_two_recorded_jobs_cost_what_they_were_billed(self, billed: int, tokens: int,
                                                              micro_dollars: int) -> None:
        told = estimate(MODELS["gpt-3.5-turbo"], stats(billed, 10, tokenizer="cl100k_base"), method="supervised",
                        hyperparameters={"n_epochs": "auto", "batch_size": "auto"})
        assert told.epochs == 10
        assert told.billed == (tokens, tokens, tokens)
        assert (told.cost.low, told.cost.expected, told.cost.high) == (micro_dollars,) * 3
        assert (told.cost.per_million_tokens, told.cost.source, told.cost.as_of) == (
            8_000_000, "OpenAI pricing page", date(2026, 11, 22))
        assert told.tokens.exact

    def test_what_no_bill_confirms_widens_the_interval(self) -> None:
        told = estimate(MODELS["gpt-4o-mini"], stats(1_000, 10, uncertain=100), method="supervised",
                        hyperparameters={"n_epochs": 3}, images={"high": 1})
        assert told.billed == (3 * 900, 3 * (1_000 + 25_501), 3 * (1_000 + 100 + 20 + 48_169))
        assert told.cost.low == 3 * 900 * 3

    @pytest.mark.parametrize(("model", "images", "expected", "most"), [
        ("gpt-4o", {"low": 2}, 170, 170), ("gpt-4o", {"auto": 1, "low": 1}, 850, 1_530),
        ("gpt-4.1", {"high": 1}, 765, 1_445), ("gpt-4o-mini", {"low": 1}, 2_833, 2_833),
        ("gpt-4.1-mini", {"low": 1, "high": 1}, 2 * 1_659, 2 * 2_489), ("gpt-4o", {}, 0, 0),
        ("qwen3-8b", {"high": 5}, 0, 0)])
    def test_images_are_reckoned_by_their_detail(self, model: str, images: dict[str, int], expected: int,
                                                 most: int) -> None:
        counts = stats(1_000, 10, tokenizer=MODELS[model].tokenizer_id)
        without, told = tokens_per_epoch(counts, MODELS[model]), tokens_per_epoch(counts, MODELS[model], images=images)
        assert (told.low, told.expected, told.high) == (
            without.low, without.expected + expected, without.high + most)
        assert told.exact is (most == 0)
        assert ("images are taken" in told.basis) is (most > 0)

    def test_a_part_of_a_micro_dollar_is_rounded_up(self) -> None:
        assert cost(MODELS["babbage-002"], "supervised", (1, 2, 3)).low == 1

    def test_reinforcement_is_billed_by_the_hour_and_cannot_be_told(self) -> None:
        told = estimate(MODELS["o4-mini"], stats(1_000, 10), method="reinforcement", hyperparameters={})
        assert (told.cost.low, told.cost.expected, told.cost.high) == (None, None, None)
        assert told.cost.per_hour == 100_000_000
        assert told.cost.note is not None
        assert told.duration is None

    def test_own_machines_cost_nothing(self) -> None:
        told = estimate(MODELS["qwen3-8b"], stats(1_000, 10, tokenizer="qwen3-8b"), method="supervised",
                        hyperparameters={}, tuning=LORA)
        assert (told.cost.low, told.cost.high) == (0, 0)
        assert told.tokens.exact

    @given(st.sampled_from(sorted(MODELS)), st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 49),
           st.integers(1, 10**5), st.floats(0, 1))
    def test_more_tokens_or_epochs_never_cost_less_and_the_ends_stay_in_order(
            self, model: str, billed: int, more: int, epochs: int, examples: int, unsure: float) -> None:
        def ends(tokens: int, passes: int) -> tuple[int, int, int]:
            told = estimate(MODELS[model], stats(tokens, examples, uncertain=int(unsure * billed)), method="supervised",
                            hyperparameters={"n_epochs": passes})
            assert told.billed[0] <= told.billed[1] <= told.billed[2]
            if told.cost.low is None or told.cost.expected is None or told.cost.high is None:
                return 0, 0, 0
            assert told.cost.low <= told.cost.expected <= told.cost.high
            return told.cost.low, told.cost.expected, told.cost.high
        here = ends(billed, epochs)
        for there in (ends(billed + more, epochs), ends(billed, epochs + 1)):
            assert all(less <= most for less, most in zip(here, there, strict=True))


class TestTokens:
    def test_another_tokenizers_count_is_not_called_exact(self) -> None:
        told = tokens_per_epoch(stats(1_000, 10), MODELS["smollm2-135m-instruct"])
        assert not told.exact
        assert told.low < told.expected < told.high
        assert "smollm2-135m-instruct" in told.basis

    def test_what_is_beyond_the_context_is_cut_off(self) -> None:
        long = stats(100_000, 10, over=[(65_536, 1, 20_000), (131_072, 0, 0)])
        told = tokens_per_epoch(long, MODELS["gpt-4o-mini"])
        assert (told.low, told.expected, told.high) == (80_000, 80_000, 100_020)
        over = over_context(long, 65_536)
        assert over is not None
        assert (over.examples, over.tokens) == (1, 20_000)
        assert over_context(long, 131_072) is None

    def test_a_context_that_was_not_counted_is_judged_by_the_next_larger_one(self) -> None:
        over = over_context(stats(100_000, 10, over=[(16_385, 2, 40), (32_768, 1, 5)]), 16_384)
        assert over is not None
        assert (over.context, over.tokens) == (16_384, 40)

    @pytest.mark.parametrize(("examples", "epochs"), [(10, 10), (100, 3), (33, 3), (1, 25), (20_000, 1), (8_334, 2)])
    def test_epochs_follow_the_documented_rule(self, examples: int, epochs: int) -> None:
        assert resolved({"n_epochs": "auto"}, examples)[0] == epochs
        assert resolved({"n_epochs": 7}, examples)[0] == 7


class TestTime:
    @pytest.mark.parametrize(("model", "tuning", "checkpointing", "measured"), [
        ("smollm2-135m-instruct", LORA, False, 75_775), ("smollm2-135m-instruct", {"type": "full"}, False, 95_289),
        ("qwen2.5-0.5b-instruct", LORA, False, 58_081), ("qwen2.5-1.5b-instruct", LORA, False, 32_029),
        ("qwen2.5-1.5b-instruct", {"type": "full"}, False, 36_699), ("llama-3.1-8b-instruct", LORA, True, 7_810),
        ("llama-3.1-8b-instruct", LORA, False, 10_074)])
    def test_speeds_that_were_measured_on_an_h200_lie_in_the_reckoned_interval(
            self, model: str, tuning: dict[str, object], *, checkpointing: bool, measured: float) -> None:
        shape = MODELS[model].shape
        assert shape is not None
        speed = reckoned_speed(shape, tuning, H200, checkpointing=checkpointing)
        assert speed is not None
        assert speed.slow <= measured <= speed.fast

    def test_a_small_model_on_two_cores_trains_about_as_fast_as_was_measured(self) -> None:
        shape = MODELS["smollm2-135m-instruct"].shape
        assert shape is not None
        speed = reckoned_speed(shape, LORA, LAPTOP, checkpointing=False)
        assert speed is not None
        assert speed.slow <= 120 <= speed.fast

    def test_measured_jobs_replace_arithmetic(self) -> None:
        told = estimate(MODELS["smollm2-135m-instruct"], stats(10_000, 100, tokenizer="smollm2-135m-instruct"),
                        method="supervised", hyperparameters={"n_epochs": 1}, tuning=LORA,
                        places=[Place("here", LAPTOP, rates=[90.0, 100.0, 110.0])])
        assert told.duration is not None
        assert told.duration.basis.startswith("measured: 100 tokens a second in 3 jobs")
        assert told.duration.low <= 100 + 45 <= told.duration.high
        assert told.duration.expected == 100 + 45

    def test_one_measured_job_makes_no_interval_of_its_own(self) -> None:
        speed = measured_speed([100.0], "this")
        assert speed is not None
        assert (speed.slow, speed.usual, speed.fast) == (60.0, 100.0, 140.0)
        assert measured_speed([], "this") is None

    def test_the_best_machine_is_the_one_where_it_fits_and_is_fastest(self) -> None:
        told = estimate(MODELS["qwen3-8b"], stats(10_000, 100), method="supervised", hyperparameters={}, tuning=LORA,
                        places=[Place("desk", LAPTOP), Place("rack", H200)])
        assert [(each.host, each.fits) for each in told.memory] == [("rack", "yes"), ("desk", "no")]
        assert told.duration is not None
        assert "H200" in told.duration.basis

    def test_without_machines_nothing_is_promised(self) -> None:
        told = estimate(MODELS["qwen3-8b"], stats(10_000, 100), method="supervised", hyperparameters={}, tuning=LORA)
        assert told.duration is None
        [only] = told.memory
        assert (only.fits, only.available) == ("unknown", None)

    def test_remote_time_says_that_it_is_assumed(self) -> None:
        told = estimate(MODELS["gpt-4o-mini"], stats(10_000, 100), method="supervised", hyperparameters={})
        assert told.duration is not None
        assert told.duration.basis.startswith("assumed")
        assert 0 < told.duration.low <= told.duration.expected <= told.duration.high

    def test_an_adapter_takes_two_thirds_of_the_work_of_full_tuning(self) -> None:
        shape = MODELS["qwen3-8b"].shape
        assert shape is not None
        lora, full = (flops_per_token(shape, {"type": kind}, checkpointing=False) for kind in ("lora", "full"))
        assert lora * 3 == full * 2
