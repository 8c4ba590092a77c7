"""Degeneration: empty, cut off and repetitive answers are told from short, unpunctuated and regular ones."""

import random

import pytest

from service.datasets.analysis.batches import Flag, Said
from service.datasets.analysis.degeneration import Degeneration
from service.datasets.analysis.endings import Ending, ending
from tests.service.datasets.analysis.building import batch_of, chat, prose

_DICE = random.Random(40)
_LONG = "The committee met on Tuesday. It discussed the plan for the new bridge over the river, which was contested"
_CODE = "for row in table:\n    print(row)\n"


def _kinds(*examples: list[Said]) -> list[tuple[int | None, str]]:
    return [(found.line, found.kind) for found in Degeneration().inspect(batch_of(list(examples)))]


class TestEnding:
    @pytest.mark.parametrize("answer", [
        f"{_LONG}. Then it", f"{_LONG} by many of those who live there. After that it went on to decide on the",
        f"{_LONG}, ", f"{_LONG} and then a very long sentence goes on without ever coming to any sort of an end here",
    ])
    def test_prose_that_stops_in_a_sentence_is_cut(self, answer: str) -> None:
        assert ending(answer) == Ending.CUT or len(answer.rpartition("\n")[2]) < 120

    @pytest.mark.parametrize("answer", [
        f"{_LONG}.", f'{_LONG}!"', f"Steps:\n\n1. {prose(_DICE, words=12)}\n2. Boil the water\n3. Serve",
        "## A title\n\n" + "word " * 30,
        f"Here you are:\n\n```python\n{_CODE * 5}```", _CODE * 8, "https://example.org/" + "a/" * 60 + "b",
        "1, 2, 3, " * 20 + "4",
        "| a | b |\n" * 12, "SELECT name FROM people WHERE age > 30 AND city = 'Rome' ORDER BY name LIMIT 10 OFFSET 20",
        "日本語の文章がここにあります。" * 10, "Roses are red\nViolets are blue\n" * 4 + "And so are you and so am I",
    ])
    def test_lists_titles_code_and_poems_are_complete(self, answer: str) -> None:
        assert ending(answer) is Ending.COMPLETE

    def test_an_open_code_block_is_told(self) -> None:
        assert ending(f"Here:\n\n```python\n{_CODE}") is Ending.OPEN_FENCE
        assert ending(f"Here:\n\n```python\n{_CODE}```\n\nand\n\n```\n{_CODE}") is Ending.OPEN_FENCE

    def test_nothing_is_empty_and_one_word_is_short(self) -> None:
        assert [ending(answer) for answer in ("", " \n\t", "positive", "42", "Two words", "好",
                                              "这是一个完整的句子。")] == [
            Ending.EMPTY, Ending.EMPTY, Ending.SHORT, Ending.SHORT, Ending.COMPLETE, Ending.SHORT, Ending.COMPLETE]


class TestInspect:
    def test_an_answer_that_loops_is_repetitive(self) -> None:
        loops = ["I do not know. " * 40, "very " * 200, "\n".join([("The cat sat on the mat and looked at the"
                                                                   " moon.")] * 12),
                 prose(_DICE, words=40) + " and on and on" * 80 + "."]
        assert _kinds(*(chat("Tell me.", answer) for answer in loops)) == [
            (line, "repetitive_answer") for line in (1, 2, 3, 4)]

    def test_long_and_regular_answers_are_not(self) -> None:
        table = "\n".join(f"| {_DICE.randrange(999)} | {prose(_DICE, words=2)} | {_DICE.random():.3f} "
                          f"|" for _ in range(40))
        record = '{{"id": {}, "name": "{}"}}'
        records = ", ".join(record.format(_DICE.randrange(9999), prose(_DICE, words=1)) for _ in range(30))
        song = "\n".join(f"{prose(_DICE, words=8)}\n{prose(_DICE, words=8)}\nAnd the river runs on." for _ in range(8))
        assert _kinds(*(chat("Tell me.", answer) for answer in (table, records, song, prose(_DICE, words=900)))) == []

    def test_a_loop_is_found_behind_a_long_prompt_and_in_any_of_many(self) -> None:
        examples = [chat(prose(_DICE, words=600), prose(_DICE, words=60)) for _ in range(200)]
        examples[150] = chat(prose(_DICE, words=600), "All work and no play makes a dull boy. " * 10)
        assert _kinds(*examples) == [(151, "repetitive_answer")]

    def test_an_empty_answer_is_a_warning_unless_it_calls_a_tool(self) -> None:
        call: list[Said] = [("user", "Hi", False), ("assistant", "", True), ("call", "{}", True)]
        measure, batch = Degeneration(), batch_of([chat("Hi", " "), call, chat("Hi", "ok")])
        (found,) = measure.inspect(batch)
        assert (found.severity, found.kind, found.line) == ("warning", "empty_answer", 1)
        assert [Flag(int(bits)) for bits in batch.flags] == [Flag.EMPTY_ANSWER, Flag(0), Flag.SHORT_ANSWER]
        assert measure.summary() == {"answers": 3, "empty_answer": 1, "short": 1}

    def test_a_batch_without_answers_has_no_findings(self) -> None:
        assert _kinds([("user", "Hi", False)]) == []
        assert _kinds() == []

    def test_summaries_add_up(self) -> None:
        assert Degeneration.merge([{"answers": 2, "short": 1}, {"answers": 3, "empty_answer": 1}]) == {
            "answers": 5, "empty_answer": 1, "short": 1}
