"""Columns become messages by templates that are given or guessed."""

from pathlib import Path
from typing import Any

import pytest

from service.datasets.conversion.mapping import InvalidMapping, guess, parse
from service.datasets.conversion.reading import CannotBeConverted
from tests.service.datasets.conversion.converting import converted

TABLE = b"q,a,c\nWho?,Me,Ctx\n"


class TestTemplates:
    @pytest.mark.parametrize(("template", "said"), [
        ("{q}", "Who?"), ("q", "Who?"), ("{c}\n\n{q}", "Ctx\n\nWho?"), ("{{{q}}}", "{Who?}"),
        ("Answer this: {q}", "Answer this: Who?"), ("Say anything.", "Say anything.")])
    def test_columns_take_their_places(self, tmp_path: Path, template: str, said: str) -> None:
        made = converted(tmp_path / "a.csv", TABLE, mapping={"user": template, "assistant": "{a}"})
        assert made.said == [[said, "Me"]]

    @pytest.mark.parametrize("template", ["{q.__class__}", "{q[0]}", "{q!r}", "{0}", "{nothing}", "nothing"])
    def test_there_are_columns_and_nothing_else_and_a_slip_is_no_text(self, tmp_path: Path, template: str) -> None:
        with pytest.raises(CannotBeConverted, match=r"There is no column .* Columns are a, c, q\."):
            converted(tmp_path / "a.csv", TABLE, mapping={"user": template, "assistant": "{a}"})

    def test_values_are_not_read_as_templates(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", b"q,a\n{a},{{x}}\n", mapping={"user": "q", "assistant": "a"})
        assert made.said == [["{a}", "{{x}}"]]

    def test_a_system_text_may_be_one_word(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", TABLE, mapping={"system": "Terse.", "user": "q", "assistant": "a"})
        assert made.said == [["Terse.", "Who?", "Me"]]

    def test_tools_stand_as_their_text(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", b'q,a,t\nx,y,"[{""name"": ""f""}]"\n',
                         mapping={"user": "q", "assistant": "a", "tools": "t"})
        assert made.examples[0]["tools"] == [{"type": "function", "function": {"name": "f"}}]

    def test_a_row_whose_answer_is_empty_is_skipped(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", b"q,a\nx,\ny,z\n", mapping={"user": "q", "assistant": "a"})
        assert (made.said, made.outcome.skipped) == ([["y", "z"]], [(1, "'assistant' is empty")])


class TestGuess:
    @pytest.mark.parametrize(("columns", "user", "assistant"), [
        (["Question", "Answer"], "{Question}", "{Answer}"), (["text", "label"], "{text}", "{label}"),
        (["context", "question", "answer"], "{context}\n\n{question}", "{answer}")])
    def test_names_as_people_give_them(self, columns: list[str], user: str, assistant: str) -> None:
        guessed = guess(columns)
        assert guessed is not None
        assert (guessed.user, guessed.assistant) == (user, assistant)

    def test_nothing_is_guessed_of_other_names(self) -> None:
        assert guess(["a", "b"]) is None

    def test_a_column_that_not_every_row_has_leaves_no_gap(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.jsonl", b'{"question":"a","answer":"b"}\n'
                                               b'{"question":"a","answer":"b","context":"c"}\n')
        assert made.said == [["a", "b"], ["c\n\na", "b"]]


class TestParse:
    @pytest.mark.parametrize("given", [{}, {"user": "q"}, {"user": "q", "assistant": "a", "preferred": "p"},
                                       {"user": "q", "preferred": "p"}, {"user": 7, "assistant": "a"},
                                       {"user": "q", "assistant": "a", "nobody": "n"}])
    def test_a_mapping_that_makes_no_example_is_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidMapping, match="mapping"):
            parse(given)
