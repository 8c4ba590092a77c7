"""No key is left in what a server says, whole or masked, and all else is left as it was said."""

import time

import pytest

from service.kit.blanking import without_keys

SECRET = "sk-still-quite-wrong"


@pytest.mark.parametrize(("said", "left"), [
    (f"Incorrect API key provided: {SECRET}.", "Incorrect API key provided: [secret]."),
    ("Incorrect API key provided: sk-still*rong. See", "Incorrect API key provided: [secret]. See"),
    ("key 'sk-s************rong' is off", "key '[secret]' is off"),
    ("key sk-s...rong is off", "key [secret] is off"),
    ("another's: sk-proj-****************0042!", "another's: [secret]!"),
    ("another's: sk-...0042, they say", "another's: [secret], they say"),
    ("another's: sk-proj-Abcdefghijklmnopqrstu-0042", "another's: [secret]"),
])
def test_keys_are_blanked_whole_and_masked(said: str, left: str) -> None:
    assert without_keys(said, [SECRET, None]) == left


@pytest.mark.parametrize("said", [
    "Your token has expired.", "The model ft:gpt-4o-mini:acme::task-1234567890123456789 is not there.",
    "sk-learn-is-a-library-for-everybody", "rate **limit** reached", "sk-s is wrong", ""])
def test_other_words_stay(said: str) -> None:
    assert without_keys(said, [SECRET, "none"]) == said


def test_a_mask_of_any_kind_of_key_is_known_by_its_ends() -> None:
    assert without_keys("AKIA????MPLE", ["AKIAIOSFODNN7EXAMPLE"]) == "[secret]"


def test_a_text_that_is_made_to_keep_it_busy_does_not() -> None:
    since = time.process_time()
    for hostile in ("sk-" * 30_000, "sk-s" * 20_000, "sk-" + "a" * 60_000, "*" * 60_000):
        without_keys(hostile, [SECRET])
    assert time.process_time() - since < 5
