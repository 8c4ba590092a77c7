"""What people read of events: a sentence for each type, on one line, whatever things are named."""

import pytest

from service.events.sentences import line, sentence, title
from service.events.types import EventType

HOSTILE = "x\r\nBcc: everybody@example.com\u2028<b>\u202e\x00\ud800" + "y" * 5000


@pytest.mark.parametrize("type_", list(EventType))
class TestEveryType:
    def test_has_words_of_its_own(self, type_: EventType) -> None:
        others = {title(each) for each in EventType if each is not type_}
        assert title(type_) not in {*others, type_.value}
        told = sentence(type_, "subject-1", {"id": "subject-1", "name": "Nightly"})
        assert "subject-1" in told or "Nightly" in told or type_ is EventType.SPEND_THRESHOLD
        assert told.endswith(".")
        assert "  " not in told

    @pytest.mark.parametrize("value", [
        HOSTILE, None, {}, [], True, pytest.param(10 ** 5000, id="endless"), float("nan"), {"message": HOSTILE}])
    def test_is_one_bounded_line_whatever_its_data(self, type_: EventType, value: object) -> None:
        names = ("name", "suffix", "model", "fine_tuned_model", "error", "metrics", "step", "total", "status",
                 "filename", "validation", "month", "spent", "threshold", "provider", "details", "shutdown_date",
                 "reason", "url")
        told = sentence(type_, HOSTILE, dict.fromkeys(names, value))
        assert 0 < len(told) <= 601
        assert told.isprintable()
        told.encode()


class TestSentences:
    @pytest.mark.parametrize(("type_", "data", "expected"), [
        (EventType.JOB_SUCCEEDED, {"suffix": "support", "fine_tuned_model": "ft:m:acme:support:1"},
         "Fine-tuning job ftjob-1 (support) succeeded; its model is ft:m:acme:support:1."),
        (EventType.JOB_FAILED, {"error": {"code": "bad", "message": "The loss is not a number."}},
         "Fine-tuning job ftjob-1 failed: The loss is not a number."),
        (EventType.JOB_MILESTONE, {"percent": 20, "step": 40, "total": 200, "metrics": {"train_loss": 0.5}},
         "Fine-tuning job ftjob-1 has done 20 % of its steps (step 40 of 200); train loss 0.5."),
        (EventType.SPEND_THRESHOLD, {"threshold": 5_000_000, "month": "2026-11"},
         "The project's spending reached the threshold of $5.00 for 2026-11."),
        (EventType.CREDENTIAL_FAILING, {"name": "main", "provider": "openai", "details": "Refused."},
         "Credential main for openai fails: Refused."),
    ])
    def test_say_what_is_known(self, type_: EventType, data: dict[str, object], expected: str) -> None:
        assert sentence(type_, "ftjob-1", data) == expected

    def test_of_a_type_that_is_not_known_yet_name_it(self) -> None:
        assert sentence("gpu.on_fire", "gpu-1", {}) == "gpu.on_fire: gpu-1."

    def test_do_not_tell_the_url_of_an_endpoint(self) -> None:
        told = sentence(EventType.ENDPOINT_DISABLED, "we_1", {"url": "https://hooks.example.com/T0/B0/secret"})
        assert "secret" not in told


def test_a_long_line_is_cut_and_says_so() -> None:
    assert line("a b " * 100, longest=10) == "a b a b a…"
