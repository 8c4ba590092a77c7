"""The judgement: explainable, the same for the same numbers, and defined for files with nothing in them."""

import random

import pytest

from service.datasets.analysis.batches import Said, Summary
from service.datasets.analysis.measures import MEASURES
from service.datasets.analysis.quality import judge
from service.datasets.analysis.report import Duplicates, Privacy, Quality
from tests.service.datasets.analysis.building import batch_of, chat, prose
from tests.service.datasets.analysis.privacy.values import token


def _summaries(examples: list[list[Said]]) -> dict[str, Summary]:
    found = {}
    for kind in MEASURES:
        measure = kind()
        measure.inspect(batch_of(examples))
        found[measure.name] = kind.merge([measure.summary()])
    return found


def _judge(examples: list[list[Said]], *, duplicates: Duplicates | None = None, lines: int | None = None,
           form: str = "chat") -> tuple[Quality, Privacy]:
    return judge(_summaries(examples), duplicates=duplicates or Duplicates(), examples=len(examples), format=form,
                 lines=lines)


def _good(count: int) -> list[list[Said]]:
    dice = random.Random(50)
    return [chat(prose(dice, words=15) + "?", prose(dice, words=40), system="You are kind.") for _ in range(count)]


def _score(quality: Quality, part: str) -> int:
    return next(one.score for one in quality.parts if one.name == part)


class TestScore:
    def test_a_large_and_clean_file_is_near_the_top(self) -> None:
        quality, privacy = _judge(_good(600))
        assert quality.score >= 97
        assert quality.advice == []
        assert privacy == Privacy({}, 0)

    def test_it_is_the_weighted_sum_of_its_parts(self) -> None:
        quality, _ = _judge([*_good(40), chat("Hi", "")], lines=50)
        assert sum(part.weight for part in quality.parts) == pytest.approx(1)
        assert quality.score == round(sum(part.score * part.weight for part in quality.parts))
        assert all(any(char.isdigit() for char in part.detail) for part in quality.parts)

    def test_the_same_numbers_give_the_same_judgement(self) -> None:
        assert _judge(_good(30)) == _judge(_good(30))

    @pytest.mark.parametrize("form", ["chat", "preference", "reinforcement", "completion"])
    def test_an_empty_file_is_judged_without_a_division_by_zero(self, form: str) -> None:
        quality, _ = _judge([], form=form)
        assert quality.score == 0
        assert [advice.kind for advice in quality.advice] == ["no_examples"]

    def test_nothing_measured_is_judged_too(self) -> None:
        quality, _ = judge({}, duplicates=None, examples=5, format=None)
        assert 0 <= quality.score <= 100

    @pytest.mark.parametrize(("part", "worse"), [
        ("validity", {"lines": 700}), ("duplicates", {"duplicates": Duplicates(exact=60, near=30)}),
        ("duplicates", {"duplicates": Duplicates(contradictions=50)})])
    def test_what_is_wrong_lowers_its_own_part(self, part: str, worse: dict[str, object]) -> None:
        before, after = _judge(_good(600))[0], _judge(_good(600), **worse)[0]  # type: ignore[arg-type]
        assert _score(after, part) < _score(before, part)
        assert {one.name for one in after.parts if one.score != _score(before, one.name)} == {part}

    def test_answers_of_several_kinds_lower_theirs(self) -> None:
        bad = [chat("Do it.", "As an AI language model, I cannot help with that."), chat("And?", ""), chat("So?",
               "go on " * 90)]
        assert _score(_judge([*_good(60), *bad])[0], "answers") < 75

    def test_one_secret_costs_most_of_the_privacy_part(self) -> None:
        quality, privacy = _judge([*_good(300), chat("Key?", f"sk-{token(random.Random(1), 48)}")])
        assert _score(quality, "privacy") <= 40
        assert privacy == Privacy({"openai_key": 1}, 1)


class TestAdvice:
    def _kinds(self, examples: list[list[Said]], **more: object) -> set[str]:
        return {advice.kind for advice in _judge(examples, **more)[0].advice}  # type: ignore[arg-type]

    def test_forty_eight_examples_are_few(self) -> None:
        (advice,) = _judge(_good(48))[0].advice
        assert advice.kind == "few_examples"
        assert advice.message.startswith("48 examples: too few for")
        assert "few-shot" in advice.message

    def test_seven_are_too_few(self) -> None:
        assert self._kinds(_good(7)) == {"too_few_examples"}

    def test_repetition_and_contradiction(self) -> None:
        found = Duplicates(exact=3, contradictions=2)
        assert self._kinds(_good(200), duplicates=found) == {"duplicates", "contradictions"}
        assert self._kinds(_good(200), duplicates=Duplicates(contradictions=2), form="preference") == set()

    def test_mixed_system_prompts(self) -> None:
        assert self._kinds([*_good(150), *[chat(user[1], answer[1]) for _, user,
                                           answer in _good(50)]]) == {"mixed_system_prompts"}

    def test_mixed_forms_and_schemas(self) -> None:
        answers = [f'{{"k{n % 9}": {n}}}' for n in range(150)] + ["Plain words, as it were."] * 50
        kinds = self._kinds([chat(f"{n}?", answer, system="S") for n, answer in enumerate(answers)])
        assert {"mixed_formats", "many_schemas"} <= kinds

    def test_labels_that_are_mostly_one(self) -> None:
        examples = [chat(f"Mail {n}", "spam" if n % 20 == 0 else "ham", system="S") for n in range(200)]
        quality, _ = _judge(examples)
        assert {"label_imbalance"} <= {advice.kind for advice in quality.advice}
        assert quality.facts["labels"] == {"ham": 190, "spam": 10}
        assert _score(quality, "balance") < 50

    def test_even_labels_need_no_advice(self) -> None:
        examples = [chat(f"Mail {n}", ("spam", "ham")[n % 2], system="S") for n in range(200)]
        assert self._kinds(examples) == set()

    def test_private_data_comes_first(self) -> None:
        quality, _ = _judge([*_good(20), chat("Key?", f"hf_{token(random.Random(2), 34)}"), chat("Id?",
                                                                                                 "SSN 536-90-4399")])
        assert [advice.kind for advice in quality.advice][:3] == ["secrets", "personal_data", "few_examples"]
