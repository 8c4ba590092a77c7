"""Balance: labels, system prompts, turns and lengths are counted, in bounded space."""

import json

from service.datasets.analysis.balance import MOST_LABELS, OTHERS, Balance, length_at
from service.datasets.analysis.batches import Flag, Said, Summary
from tests.service.datasets.analysis.building import batch_of, chat


def _summary(*examples: list[Said]) -> Summary:
    measure = Balance()
    assert measure.inspect(batch_of(list(examples))) == []
    return measure.summary()


class TestInspect:
    def test_short_answers_are_counted_and_long_ones_together(self) -> None:
        assert _summary(chat("a", "yes"), chat("b", "yes "), chat("c", "no"), chat("d", "It depends on many things."
                                                                                        " " * 4))[
            "labels"] == {"yes": 2, "no": 1, OTHERS: 1}

    def test_system_prompts_are_told_apart_and_their_absence_is_flagged(self) -> None:
        measure = Balance()
        batch = batch_of([chat("a", "b", system="One."), chat("a", "b", system="One."), chat("a", "b"),
                          [("tools", "[]", False), *chat("a", "b", system="Two.")]])
        measure.inspect(batch)
        assert sorted(measure.summary()["systems"].values()) == [1, 1, 2]
        assert [bool(bits & Flag.NO_SYSTEM_MESSAGE) for bits in batch.flags.tolist()] == [False, False, True, False]

    def test_turns_and_lengths_are_counted_by_bucket(self) -> None:
        twice: list[Said] = [*chat("Hello there", "Good day"), *chat("And now?", "word " * 500)]
        summary = _summary(twice, chat("Hi", "word " * 500))
        assert summary["turns"][1:3] == [1, 1]
        assert 400 < length_at(summary["lengths"]["answer"], 0.5) < 620

    def test_examples_without_answers_have_no_answer_length(self) -> None:
        summary = _summary([("user", "Hi", False)])
        assert sum(summary["lengths"]["answer"]) == 0
        assert summary["labels"] == {}


class TestMerge:
    def test_two_halves_say_what_the_whole_says(self) -> None:
        examples = [chat(f"Number {n}?", "even" if n % 2 else "odd", system=f"S{n % 3}") for n in range(60)]
        halves = [json.loads(json.dumps(_summary(*half))) for half in (examples[:25], examples[25:])]
        whole = _summary(*examples)
        merged = Balance.merge(halves)
        assert {part: dict(sorted(merged[part].items())) for part in ("labels", "systems")} == {
            part: dict(sorted(whole[part].items())) for part in ("labels", "systems")}
        assert (merged["turns"], merged["lengths"]) == (whole["turns"], whole["lengths"])

    def test_more_labels_than_are_kept_are_counted_together(self) -> None:
        parts = [_summary(*(chat("?", f"label {part}-{n}") for n in range(400))) for part in range(2)]
        labels = Balance.merge(parts)["labels"]
        assert len(labels) == MOST_LABELS + 1
        assert labels[OTHERS] == 800 - MOST_LABELS

    def test_nothing_merges_to_nothing(self) -> None:
        assert Balance.merge([])["labels"] == {}
        assert length_at([0] * 100, 0.5) == 0
