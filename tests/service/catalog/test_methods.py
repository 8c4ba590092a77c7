"""Hyper-parameters keep OpenAI's ranges, tunings make sense, and "auto" becomes a number."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.catalog.methods import RANKS, Method, auto_batch_size, auto_epochs, resolve


def supervised(**hyperparameters: Any) -> dict[str, Any]:
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}


@pytest.mark.parametrize(("name", "low", "high"), [("n_epochs", 1, 50), ("batch_size", 1, 256)])
def test_whole_numbers_keep_their_range(name: str, low: int, high: int) -> None:
    good: tuple[object, ...] = (low, high, "auto")
    for value in good:
        shown = Method.model_validate(supervised(**{name: value})).shown()
        assert shown["supervised"]["hyperparameters"][name] == value
    bad: tuple[object, ...] = (low - 1, high + 1, 1.0, True, "1", None, [1], 10**400, -(10**400))
    for value in bad:
        with pytest.raises(ValidationError):
            Method.model_validate(supervised(**{name: value}))


@pytest.mark.parametrize("value", [0, 0.0, -1, float("nan"), float("inf"), -float("inf"), True, "fast", 10**400])
def test_a_rate_is_a_positive_number(value: object) -> None:
    with pytest.raises(ValidationError):
        Method.model_validate(supervised(learning_rate_multiplier=value))
    assert Method.model_validate(supervised(learning_rate_multiplier=2)).supervised is not None


@pytest.mark.parametrize("beta", [0, 2.1, "low"])
def test_beta_is_above_zero_and_at_most_two(beta: object) -> None:
    with pytest.raises(ValidationError):
        Method.model_validate({"type": "dpo", "dpo": {"hyperparameters": {"beta": beta}}})
    assert Method.model_validate({"type": "dpo"}).shown() == {"type": "dpo", "dpo": {"hyperparameters": {
        "n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto", "beta": "auto"}}}


@pytest.mark.parametrize(("name", "bad"), [("compute_multiplier", 1e-5), ("compute_multiplier", 10.1),
                                           ("eval_interval", 0), ("eval_samples", 0), ("reasoning_effort", "huge")])
def test_reinforcement_keeps_its_ranges(name: str, bad: object) -> None:
    body: dict[str, Any] = {"type": "reinforcement", "reinforcement": {"grader": {"type": "python"},
                                                                       "hyperparameters": {name: bad}}}
    with pytest.raises(ValidationError):
        Method.model_validate(body)
    body["reinforcement"]["hyperparameters"] = {}
    assert Method.model_validate(body).shown()["reinforcement"]["hyperparameters"]["reasoning_effort"] == "default"


@pytest.mark.parametrize(("given_tuning", "shown"), [
    (None, {"type": "lora", "rank": 16, "alpha": 32.0, "dropout": 0.0}),
    ({"rank": 8}, {"type": "lora", "rank": 8, "alpha": 16.0, "dropout": 0.0}),
    ({"rank": 1, "alpha": 1.5, "dropout": 0.5}, {"type": "lora", "rank": 1, "alpha": 1.5, "dropout": 0.5}),
    ({"type": "full"}, {"type": "full"}),
    ({"type": "last_layers"}, {"type": "last_layers", "layers": 2}),
    ({"type": "last_layers", "layers": 5}, {"type": "last_layers", "layers": 5}),
])
def test_a_tuning_is_shown_with_its_defaults(given_tuning: dict[str, Any] | None, shown: dict[str, Any]) -> None:
    method = Method.model_validate({"type": "supervised", "supervised": {"tuning": given_tuning}})
    assert method.shown()["supervised"]["tuning"] == shown


@pytest.mark.parametrize("tuning", [
    {"type": "full", "rank": 8}, {"type": "full", "layers": 1}, {"type": "last_layers", "dropout": 0.1},
    {"type": "lora", "layers": 2}, {"type": "last_layers", "layers": 0}, {"alpha": 0}, {"dropout": 0.51},
    {"dropout": -0.1}, {"type": "qlora"}, {"rank": 2**70}, {"ranks": 8}])
def test_a_tuning_that_makes_no_sense_is_refused(tuning: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Method.model_validate({"type": "supervised", "supervised": {"tuning": tuning}})


def test_only_ranks_that_can_be_served_are_taken() -> None:
    taken = set()
    for rank in range(600):
        try:
            Method.model_validate({"type": "supervised", "supervised": {"tuning": {"rank": rank}}})
        except ValidationError:
            continue
        taken.add(rank)
    assert taken == set(RANKS)


@pytest.mark.parametrize(("examples", "epochs"), [
    (1, 25), (4, 25), (5, 20), (10, 10), (33, 3), (34, 3), (100, 3), (8333, 3), (8334, 2), (12_501, 1), (10**6, 1)])
def test_auto_epochs_follow_the_cookbook(examples: int, epochs: int) -> None:
    assert auto_epochs(examples) == epochs


@given(st.integers(0, 10**9))
def test_auto_stays_within_the_ranges(examples: int) -> None:
    assert 1 <= auto_epochs(examples) <= 50
    assert 1 <= auto_batch_size(examples) <= 256


def test_resolving_replaces_auto_and_nothing_else() -> None:
    shown = Method.model_validate({"type": "supervised", "supervised": {
        "hyperparameters": {"n_epochs": 7}, "tuning": {"type": "full"}}}).shown()
    assert resolve(shown, 20_000) == {"type": "supervised", "supervised": {
        "hyperparameters": {"n_epochs": 7, "batch_size": 40, "learning_rate_multiplier": 1.0},
        "tuning": {"type": "full"}}}
    assert shown["supervised"]["hyperparameters"]["batch_size"] == "auto"
