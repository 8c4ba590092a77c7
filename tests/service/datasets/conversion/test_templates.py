"""What a template may say and what not, and that a mapping and a layout are taken at their word."""

from typing import Any

import pytest

from service.datasets.conversion import mapping
from service.datasets.conversion.examples import Unconvertible
from service.datasets.conversion.mapping import InvalidMapping, Mapping
from service.datasets.conversion.reading import CannotBeConverted
from tests.service.datasets.conversion.converting import TOOLS, A, Convert, Q, convert_fixture

__all__ = ["convert_fixture"]


def read(row: dict[str, Any], **given: str) -> Any:
    return mapping.reader(mapping.parse(given), row)(row)


class TestTemplates:
    def test_columns_are_filled_in_and_braces_can_be_written(self) -> None:
        example = read({"a b": "x{y}", "n": 1.5}, user="{{{a b}}} {{n}} {n}", assistant="{n}")
        assert example["messages"][0]["content"] == "{x{y}} {n} 1.5"

    def test_the_bare_name_of_a_column_is_its_value(self) -> None:
        assert read({"q": "q", "b": "a"}, user="q", assistant="b") == {"messages": [Q, A]}

    def test_values_are_text_and_never_templates_nor_reached_into(self) -> None:
        assert read({"q": "{b} {q.__class__}", "b": "a"}, user="{q}", assistant="{b}")["messages"][0][
            "content"] == "{b} {q.__class__}"
        for reaching in ("{q.__class__}", "{q[0]}", "{q!r}", "{q:>10}"):
            with pytest.raises(InvalidMapping, match="There is no column"):
                read({"q": "x", "b": "a"}, user=reaching, assistant="{b}")

    def test_an_unknown_column_is_told_with_those_there_are(self, convert: Convert) -> None:
        with pytest.raises(CannotBeConverted, match=r"There is no column 'frage'\. Columns are a, q\."):
            convert(b"q,a\nq,a\n", "x.csv", mapping={"user": "{frage}", "assistant": "{a}"})

    def test_a_system_message_goes_where_the_row_has_none(self) -> None:
        assert read({"s": None, "q": "q", "b": "a"}, user="q", assistant="b", system="s") == {"messages": [Q, A]}
        assert len(read({"s": "x", "q": "q", "b": "a"}, user="q", assistant="b", system="s")["messages"]) == 3

    def test_pairs_and_tools(self) -> None:
        row = {"q": "q", "good": "a", "bad": "b", "t": "[]"}
        assert read(row, user="q", preferred="good", non_preferred="bad") == {
            "input": {"messages": [Q]}, "preferred_output": [A],
            "non_preferred_output": [{"role": "assistant", "content": "b"}]}

    def test_tools_stay_the_text_they_are(self, convert: Convert) -> None:
        text = '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "x": 1e5}}}]'
        done = convert([{"q": "q", "b": "a", "tools": text}], mapping={"user": "q", "assistant": "b",
                                                                        "tools": "{tools}"})
        assert text.encode() in done.lines[0]
        assert TOOLS[0]["type"] == "function"

    @pytest.mark.parametrize("row", [{"q": [1], "b": "a"}, {"q": {}, "b": "a"}, {"q": " ", "b": "a"}, {"b": "a"}])
    def test_what_is_no_text_makes_no_example(self, row: dict[str, Any]) -> None:
        with pytest.raises(Unconvertible):
            mapping.reader(Mapping(user="{q}", assistant="{b}"), ["q", "b"])(row)

    @pytest.mark.parametrize("given", [
        {}, {"user": "x"}, {"assistant": "x"}, {"user": "x", "assistant": 3}, {"user": "x", "asistant": "y"},
        {"user": "x", "preferred": "y"}, {"user": "x", "assistant": "y", "preferred": "y", "non_preferred": "z"}])
    def test_a_mapping_that_says_too_little_or_too_much_is_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidMapping, match="mapping"):
            mapping.parse(given)


class TestGuess:
    @pytest.mark.parametrize(("columns", "user", "assistant"), [
        (["id", "Question", "Answer"], "{Question}", "{Answer}"), (["text", "label"], "{text}", "{label}"),
        (["context", "question", "response"], "{context}\n\n{question}", "{response}")])
    def test_columns_as_people_name_them(self, columns: list[str], user: str, assistant: str) -> None:
        assert mapping.guess(columns) == Mapping(user=user, assistant=assistant)

    def test_others_are_not_guessed(self) -> None:
        assert mapping.guess(["foo", "bar"]) is mapping.guess(["question"]) is mapping.guess([]) is None


class TestGiven:
    def test_layout_and_mapping_are_taken_at_their_word(self, convert: Convert) -> None:
        row = {"instruction": "q", "output": "a", "question": "x", "answer": "y"}
        assert convert([row]).shape.layout == "alpaca"
        done = convert([row], layout="columns")
        assert (done.shape.layout, done.examples[0]["messages"][0]["content"]) == ("columns", "x")
        done = convert([row], mapping={"user": "{answer}", "assistant": "{question}"})
        assert done.examples[0]["messages"][0]["content"] == "y"
        assert convert([row], layout="sharegpt").reasons == {"no turns": 1}

    def test_what_was_found_is_shown(self, convert: Convert) -> None:
        assert convert(b"question,answer\nq,a\n", "a.csv").shape.shown() == {
            "container": "csv", "shape": "columns", "mapping": {"user": "{question}", "assistant": "{answer}"}}
