"""What providers cannot do, said before a job is made."""

import pytest

from service.catalog import capabilities
from service.catalog.capabilities import Wish


def _told(provider: str, wish: Wish) -> list[tuple[str, str]]:
    return [(each.code, each.param) for each in capabilities.of(provider).obstacles(wish)]


@pytest.mark.parametrize("provider", capabilities.BY_PROVIDER)
def test_every_provider_takes_a_plain_job(provider: str) -> None:
    assert _told(provider, Wish(suffix="mine", metadata_pairs=14, sizes={"training_file": 10**6})) == []


@pytest.mark.parametrize(("provider", "wish", "told"), [
    ("local", Wish(method="dpo"), ("method_not_supported", "method.type")),
    ("compatible", Wish(method="reinforcement"), ("method_not_supported", "method.type")),
    ("bedrock", Wish(method="dpo"), ("method_not_supported", "method.type")),
    ("bedrock", Wish(seed=True), ("seed_not_supported", "seed")),
    ("openai", Wish(tuning="lora"), ("tuning_not_supported", "method.supervised.tuning")),
    ("azure", Wish(suffix="x" * 19), ("suffix_too_long", "suffix")),
    ("azure", Wish(suffix="a.b"), ("suffix_invalid", "suffix")),
    ("azure", Wish(sizes={"validation_file": 600 * 2**20}), ("file_too_large", "validation_file")),
    ("openai", Wish(metadata_pairs=15), ("too_much_metadata", "metadata")),
    ("openai", Wish(integrations=1), ("integrations_not_supported", "integrations")),
])
def test_what_a_provider_cannot_do_is_told_with_the_field(provider: str, wish: Wish, told: tuple[str, str]) -> None:
    assert _told(provider, wish) == [told]


def test_everything_that_stands_in_the_way_is_told_at_once() -> None:
    wish = Wish(method="dpo", seed=True, suffix="x" * 64, sizes={"training_file": 9 * 2**30}, metadata_pairs=16)
    assert {param for _, param in _told("bedrock", wish)} == {"method.type", "seed", "suffix", "training_file",
                                                              "metadata"}


def test_pausing_is_refused_with_a_way_out_where_it_cannot_be() -> None:
    assert capabilities.of("openai").cannot("pause") is None
    assert "can be cancelled" in str(capabilities.of("bedrock").cannot("resume"))


def test_chat_is_refused_with_a_reason_where_it_cannot_be() -> None:
    assert [name for name in capabilities.BY_PROVIDER if capabilities.of(name).cannot_chat()] == ["bedrock"]


@pytest.mark.parametrize("provider", capabilities.BY_PROVIDER)
def test_what_is_shown_is_plain_json(provider: str) -> None:
    assert capabilities.shown(provider)["methods"] == sorted(capabilities.of(provider).methods)
