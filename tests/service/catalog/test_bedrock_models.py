"""What Bedrock would refuse is known before a job is made, for every model of it in the catalog."""

from typing import Any

import pytest

from service.catalog import capabilities
from service.catalog.base_models import base_models
from service.catalog.bedrock_models import family_of
from service.catalog.capabilities import Wish

NOVA, NOVA_2 = "amazon.nova-micro-v1:0:128k", "amazon.nova-2-lite-v1:0:256k"
LLAMA = "meta.llama3-3-70b-instruct-v1:0:128k"
RANGE = "method.supervised.hyperparameters."


def params(**wish: Any) -> list[str]:
    return [one.param for one in capabilities.of("bedrock").obstacles(Wish(**wish))]


def test_every_model_of_the_catalog_has_a_family_and_its_form() -> None:
    ours = [entry for entry in base_models() if entry.provider == "bedrock"]
    assert len(ours) == 11
    for entry in ours:
        family = family_of(entry.id)
        assert family is not None
        assert entry.legacy == (family.form == "prompt")
        assert set(entry.methods) == {"supervised"}
        assert family_of(f"arn:aws:bedrock:us-west-2::foundation-model/{entry.id}") is family


@pytest.mark.parametrize(("model", "numbers", "refused"), [
    (NOVA, {"n_epochs": 5, "learning_rate_multiplier": 10, "batch_size": "auto"}, []),
    (NOVA, {"n_epochs": 6, "learning_rate_multiplier": 0.09}, ["n_epochs", "learning_rate_multiplier"]),
    (NOVA, {"batch_size": 1}, ["batch_size"]),
    (LLAMA, {"n_epochs": 10, "batch_size": 1, "learning_rate_multiplier": 0.05}, []),
    (LLAMA, {"n_epochs": 11, "batch_size": 2, "learning_rate_multiplier": 1001},
     ["n_epochs", "learning_rate_multiplier", "batch_size"]),
    ("a-model-of-its-own", {"n_epochs": 50}, []),
])
def test_ranges_are_those_of_the_models_family(model: str, numbers: dict[str, Any], refused: list[str]) -> None:
    assert params(model=model, hyperparameters=numbers) == [RANGE + name for name in refused]


def test_examples_are_counted_by_file_or_together_as_the_family_wants() -> None:
    assert params(model=NOVA, examples={"training_file": 8, "validation_file": 7}) == ["validation_file"]
    assert params(model=NOVA, examples={"training_file": 20_001}) == ["training_file"]
    assert params(model=LLAMA, examples={"training_file": 60, "validation_file": 40}) == []
    assert params(model=LLAMA, examples={"training_file": 99}) == ["training_file"]
    assert params(model=LLAMA) == []


def test_a_validation_file_is_refused_where_none_is_used() -> None:
    sizes = {"training_file": 1, "validation_file": 1}
    assert params(model=NOVA, sizes=sizes) == []
    assert params(model=NOVA_2, sizes=sizes) == ["validation_file"]


def test_families_are_asked_of_bedrock_only() -> None:
    assert capabilities.of("openai").obstacles(Wish(model=NOVA, hyperparameters={"n_epochs": 9})) == ()
