"""What rows of each layout say, as examples."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.datasets.conversion.reading import NATIVE
from service.datasets.validation.formats import check, detect
from tests.service.datasets.conversion.converting import Converted, converted

SCHEMA = ('{"name": "weather",  "parameters": {"type": "object",'
          ' "properties": {"n": {"type": "number", "minimum": 1.0e0}}}}')
ASKED, ANSWERED = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ho."}


@pytest.fixture
def one(tmp_path: Path) -> Any:
    """The example of one row; it is valid."""
    def make(row: Any, layout: str) -> Any:
        made = converted(tmp_path / "a.json", json.dumps([row]).encode())
        assert made.outcome.skipped == []
        assert made.shape.layout == layout
        lines = made.bytes.splitlines()
        found = detect(lines)
        assert found is not None
        assert [each for each in check(lines[0], 1, found) if each.severity == "error"] == []
        return made.examples[0]
    return make


def why(path: Path, row: Any, layout: str) -> str:
    """Why a row is skipped."""
    made = converted(path, json.dumps([row]).encode(), layout=layout)
    [(_, reason)] = made.outcome.skipped
    return reason


class TestAlpaca:
    def test_instruction_and_input_are_asked_and_output_answers(self, one: Any) -> None:
        made = one({"instruction": "Sum up.", "input": "Long.", "output": "Short.", "system": "Terse."}, "alpaca")
        assert made == {"messages": [
            {"role": "system", "content": "Terse."}, {"role": "user", "content": "Sum up.\n\nLong."},
            {"role": "assistant", "content": "Short."}]}

    def test_history_comes_before(self, one: Any) -> None:
        made = one({"instruction": "c", "input": "", "output": "d", "history": [["a", "b"]]}, "alpaca")
        assert [message["content"] for message in made["messages"]] == ["a", "b", "c", "d"]

    @pytest.mark.parametrize(("row", "reason"), [
        ({"instruction": "a", "output": None}, "'output' is not a text"),
        ({"instruction": "", "output": "b"}, "'instruction' is empty"),
        ({"instruction": "a", "output": "b", "history": ["x"]}, "'history' is not a list of pairs")])
    def test_what_says_nothing_is_skipped(self, tmp_path: Path, row: Any, reason: str) -> None:
        assert why(tmp_path / "a", row, "alpaca") == reason


class TestSharegpt:
    TALK = ({"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": '{"name": "weather", "arguments": {"n":  1.0}}'},
            {"from": "function_call", "value": '{"name": "weather", "arguments": {"n": 12345678901234567890123}}'},
            {"from": "observation", "value": "Sun"}, {"from": "observation", "value": "Rain"},
            {"from": "gpt", "value": "Both."})

    def test_calls_keep_the_letters_of_their_arguments_and_results_their_call(self, one: Any) -> None:
        made = one({"conversations": self.TALK, "tools": f"[{SCHEMA}]"}, "sharegpt")
        _, calls, first, second, _ = made["messages"]
        assert [call["id"] for call in calls["tool_calls"]] == ["call_1", "call_2"]
        assert [call["function"]["arguments"] for call in calls["tool_calls"]] == [
            '{"n":  1.0}', '{"n": 12345678901234567890123}']
        assert (first["tool_call_id"], first["content"]) == ("call_1", "Sun")
        assert (second["tool_call_id"], second["content"]) == ("call_2", "Rain")

    @pytest.mark.parametrize("tools", [json.dumps(f"[{SCHEMA}]"), f"[{SCHEMA}]",
                                       f'[{{"type": "function", "function": {SCHEMA}}}]'])
    def test_schemas_keep_their_letters_whether_they_are_text_or_list(self, tmp_path: Path, tools: str) -> None:
        row = f'[{{"conversations": {json.dumps(self.TALK)}, "tools": {tools}}}]'
        assert SCHEMA.encode() in converted(tmp_path / "a.json", row.encode()).bytes

    def test_roles_may_go_by_openais_names(self, one: Any) -> None:
        made = one({"conversations": [ASKED, ANSWERED], "system": "S"}, "sharegpt")
        assert made == {"messages": [{"role": "system", "content": "S"}, ASKED, ANSWERED]}

    @pytest.mark.parametrize(("turns", "reason"), [
        ([], "no turns"), ([7], "a turn of 'conversations' is not an object"),
        ([{"from": "moon", "value": "x"}], "a turn of 'conversations' by nobody known"),
        ([{"from": "observation", "value": "x"}], "a result without a call"),
        ([{"from": "function_call", "value": "{"}], "JSON text that cannot be read"),
        ([{"from": "function_call", "value": "{}"}], "a call without a name")])
    def test_what_cannot_be_told_is_skipped(self, tmp_path: Path, turns: Any, reason: str) -> None:
        assert why(tmp_path / "a", {"conversations": turns}, "sharegpt") == reason


class TestPreference:
    PAIR = ([{"role": "assistant", "content": "good"}], [{"role": "assistant", "content": "bad"}])

    @pytest.mark.parametrize(("row", "layout"), [
        ({"prompt": "Hi?", "chosen": "good", "rejected": "bad"}, "preference"),
        ({"prompt": [ASKED], "chosen": PAIR[0], "rejected": PAIR[1]}, "preference"),
        ({"chosen": [ASKED, *PAIR[0]], "rejected": [ASKED, *PAIR[1]]}, "preference"),
        ({"prompt": "Hi?", "chosen": [ASKED, *PAIR[0]], "rejected": [ASKED, *PAIR[1]]}, "preference"),
        ({"conversations": [{"from": "human", "value": "Hi?"}], "chosen": {"from": "gpt", "value": "good"},
          "rejected": {"from": "gpt", "value": "bad"}}, "sharegpt_preference"),
        ({"input": {"messages": [ASKED]}, "preferred_output": PAIR[0], "non_preferred_output": PAIR[1]},
         "openai_preference")])
    def test_each_layout_makes_the_same_pair(self, one: Any, row: Any, layout: str) -> None:
        assert one(row, layout) == {"input": {"messages": [ASKED]}, "preferred_output": self.PAIR[0],
                                    "non_preferred_output": self.PAIR[1]}

    @pytest.mark.parametrize(("row", "reason"), [
        ({"chosen": "a", "rejected": "b"}, "no prompt: chosen and rejected have no beginning in common"),
        ({"prompt": "p", "chosen": 7, "rejected": "b"}, "'chosen' is neither a text nor a chat"),
        ({"prompt": "p", "chosen": [ANSWERED, ASKED], "rejected": "b"}, "'chosen' is not one answer of the assistant")])
    def test_what_is_no_pair_is_skipped(self, tmp_path: Path, row: Any, reason: str) -> None:
        assert why(tmp_path / "a", row, "preference") == reason


class TestMessages:
    def loose(self, **rest: Any) -> dict[str, Any]:
        """As Hugging Face's chat templates take it."""
        call = {"type": "function", "function": {"name": "weather", "arguments": {"n": 1}}}
        return {"messages": [ASKED, {"role": "assistant", "tool_calls": [call]},
                             {"role": "tool", "name": "weather", "content": "Sun"}, ANSWERED],
                "tools": [{"type": "function", "function": json.loads(SCHEMA)}], **rest}

    def test_arguments_become_text_and_calls_get_ids(self, one: Any) -> None:
        _, called, result, _ = one(self.loose(), "messages")["messages"]
        assert called["tool_calls"] == [{"id": "call_1", "type": "function",
                                         "function": {"name": "weather", "arguments": '{"n": 1}'}}]
        assert result == {"role": "tool", "tool_call_id": "call_1", "content": "Sun"}

    @pytest.mark.parametrize("rest", [{}, {"tools": f"[{SCHEMA}]"}])
    def test_json_lines_are_mended_too(self, tmp_path: Path, rest: Any) -> None:
        made = converted(tmp_path / "a.jsonl", json.dumps(self.loose(**rest)).encode())
        assert made.shape.layout == "messages"
        assert [each.kind for each in check(made.bytes[:-1], 1, "chat") if each.severity == "error"] == []

    def test_a_system_text_beside_the_messages_is_not_lost(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.jsonl", json.dumps({"system": "S", "messages": [ASKED, ANSWERED]}).encode())
        assert made.said == [["S", "Hi?", "Ho."]]

    def test_weights_names_and_settings_stay(self, one: Any) -> None:
        example = {"messages": [{**ASKED, "name": "joe"}, {**ANSWERED, "weight": 1}], "parallel_tool_calls": False}
        assert one(example, "messages") == example


class TestPromptCompletion:
    @pytest.mark.parametrize("row", [
        {"prompt": "Hi?", "completion": "Ho."}, {"prompt": [ASKED], "completion": [ANSWERED]},
        {"prompt": "Hi?", "response": "Ho."}])
    def test_it_becomes_a_chat(self, one: Any, row: Any) -> None:
        assert one(row, "prompt_completion") == {"messages": [ASKED, ANSWERED]}

    def test_openais_old_lines_stay_unless_a_chat_is_asked_for(self, tmp_path: Path) -> None:
        line = b'{"prompt": "Hi?", "completion": "Ho."}\n'
        assert converted(tmp_path / "a.jsonl", line).bytes == line
        made = converted(tmp_path / "a.jsonl", line, layout="prompt_completion")
        assert made.examples == [{"messages": [ASKED, ANSWERED]}]


class TestNative:
    def test_openais_own_lines_pass_to_the_byte(self, tmp_path: Path) -> None:
        data = (b'\xef\xbb\xbf{ "messages":[{"role":"user","content":"\\u00e9"},'
                b'{"content":"b","role":"assistant"}] }\r\n\n{broken\n'
                b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "1.0"}]}')
        made: Converted = converted(tmp_path / "a.jsonl", data)
        assert made.shape.layout == NATIVE
        assert made.bytes == data
