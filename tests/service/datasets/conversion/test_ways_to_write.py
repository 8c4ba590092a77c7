"""Each way in which a layout is written, and why what is not written so is skipped."""

import json
from typing import Any

import pytest

from tests.service.datasets.conversion.converting import TOOLS, A, Convert, Q, convert_fixture

__all__ = ["convert_fixture"]
HUMAN, GPT, SEEN = ({"from": name, "value": value} for name, value in (
    ("human", "q"), ("gpt", "a"), ("observation", "r")))


def call(name: str = "f", **arguments: Any) -> dict[str, str]:
    return {"from": "function_call", "value": json.dumps({"name": name, "arguments": arguments})}


def told(number: int, **arguments: Any) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function",
            "function": {"name": "f", "arguments": json.dumps(arguments)}}


class TestAlpaca:
    def test_instruction_and_input_are_one_question(self, convert: Convert) -> None:
        done = convert([{"instruction": "Sum", "input": "1 2", "output": "3"}, {"instruction": "Hi", "output": "Ho"},
                        {"instruction": "", "input": "only", "output": "x"}, {"instruction": "n", "input": None,
                                                                              "output": "x"}])
        assert done.shape.layout == "alpaca"
        assert [each["messages"][0]["content"] for each in done.examples] == ["Sum\n\n1 2", "Hi", "only", "n"]

    def test_system_and_history_come_before_it(self, convert: Convert) -> None:
        [example] = convert([{"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]}]).examples
        assert [(turn["role"], turn["content"]) for turn in example["messages"]] == [
            ("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]

    def test_rows_that_say_nothing_are_skipped_with_the_reason(self, convert: Convert) -> None:
        good = {"instruction": "a", "output": "b"}
        done = convert([good, {**good, "output": 5}, {**good, "output": " "}, {**good, "instruction": None},
                        {**good, "history": [["x"]]}, {**good, "history": "x"}, 5, None, [], "x"])
        assert len(done.lines) == 1
        assert done.reasons == {"'output' is not a text": 1, "'output' is empty": 1, "'instruction' is not a text": 1,
                                "'history' is not a list of pairs": 2, "not a JSON object": 4}
        assert [row for row, _ in done.outcome.skipped] == list(range(2, 11))


class TestShareGPT:
    def test_turns_and_a_system_prompt_beside_them(self, convert: Convert) -> None:
        done = convert([{"system": "s", "conversations": [HUMAN, GPT]},
                        {"system": "s", "conversations": [{"from": "system", "value": "own"}, HUMAN, GPT]}])
        assert done.shape.layout == "sharegpt"
        assert [each["messages"][0]["content"] for each in done.examples] == ["s", "own"]

    def test_role_and_content_are_another_way_to_write_them(self, convert: Convert) -> None:
        assert convert([{"conversation": [Q, A]}]).examples == [{"messages": [Q, A]}]

    @pytest.mark.parametrize("tools", [TOOLS, json.dumps(TOOLS), json.dumps([TOOLS[0]["function"]], indent=2)])
    def test_tools_may_be_a_list_or_its_text_or_bare_functions(self, convert: Convert, tools: Any) -> None:
        done = convert([{"conversations": [HUMAN, call(a=1), SEEN, GPT], "tools": tools}])
        assert done.examples == [{"messages": [Q, {"role": "assistant", "tool_calls": [told(1, a=1)]}, {
            "role": "tool", "tool_call_id": "call_1", "content": "r"}, A], "tools": TOOLS}]

    def test_no_tools_are_no_key(self, convert: Convert) -> None:
        nothing: list[Any] = ["", "[]", [], None]
        for tools in nothing:
            assert convert([{"conversations": [HUMAN, GPT], "tools": tools}]).examples == [{"messages": [Q, A]}]

    @pytest.mark.parametrize("calls", [
        [call(a=1), call(a=2)],
        [{"from": "function_call", "value": json.dumps([{"name": "f", "arguments": {"a": n}} for n in (1, 2)])}]])
    def test_several_calls_in_a_row_are_one_message_and_are_answered_in_their_order(self, convert: Convert,
                                                                                     calls: Any) -> None:
        talk = [HUMAN, *calls, SEEN, {**SEEN, "value": "s"}, GPT, HUMAN, call(a=3), SEEN, GPT]
        [example] = convert([{"conversations": talk, "tools": TOOLS}]).examples
        assert example["messages"][1]["tool_calls"] == [told(1, a=1), told(2, a=2)]
        assert [(turn["tool_call_id"], turn["content"]) for turn in example["messages"] if turn["role"] == "tool"] == [
            ("call_1", "r"), ("call_2", "s"), ("call_3", "r")]

    @pytest.mark.parametrize(("talk", "reason"), [
        ([HUMAN, call(), GPT], "a call without a result"),
        ([HUMAN, call(), call(), SEEN, GPT], "a call without a result"),
        ([HUMAN, SEEN, GPT], "a result without a call"),
        ([HUMAN, call(), SEEN, SEEN, GPT], "a result without a call"),
        ([HUMAN, {"from": "function_call", "value": "{"}], "JSON text that cannot be read"),
        ([HUMAN, {"from": "function_call", "value": "{}"}], "a call without a name"),
        ([HUMAN, {"from": "function_call", "value": "[]"}], "a turn that calls nothing"),
        ([HUMAN, {"from": "narrator", "value": "x"}], "a turn of 'conversations' by nobody known"),
        ([HUMAN, {"from": "gpt", "value": None}], "'conversations' is not a text"),
        ([HUMAN, 7], "a turn of 'conversations' is not an object"),
        ([], "no turns"), ("x", "no turns"), (None, "no turns")])
    def test_what_would_be_a_bad_line_is_skipped_with_the_reason(self, convert: Convert, talk: Any,
                                                                 reason: str) -> None:
        done = convert([{"conversations": [HUMAN, GPT]}, {"conversations": talk, "tools": TOOLS}])
        assert (len(done.lines), done.reasons) == (1, {reason: 1})

    def test_what_the_rules_refuse_is_skipped_with_the_kind_of_the_finding(self, convert: Convert) -> None:
        wrong = call("no such name!")
        done = convert([{"conversations": [HUMAN, wrong, SEEN, GPT], "tools": TOOLS}])
        assert done.lines == []
        assert sum(done.reasons.values()) == 1


class TestPreference:
    PAIR: dict[str, Any] = {"input": {"messages": [Q]}, "preferred_output": [A],  # noqa: RUF012 - never changed
                            "non_preferred_output": [{"role": "assistant", "content": "b"}]}

    @pytest.mark.parametrize(("layout", "row"), [
        ("preference", {"prompt": "q", "chosen": "a", "rejected": "b"}),
        ("preference", {"prompt": [Q], "chosen": [A], "rejected": [{"role": "assistant", "content": "b"}]}),
        ("preference", {"prompt": "q", "chosen": A, "rejected": {"role": "assistant", "content": "b"}}),
        ("preference", {"prompt": "q", "chosen": [Q, A], "rejected": [Q, {"role": "assistant", "content": "b"}]}),
        ("preference", {"chosen": [Q, A], "rejected": [Q, {"role": "assistant", "content": "b"}]}),
        ("sharegpt_preference", {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "b"}}),
        ("sharegpt_preference", {"conversations": [HUMAN], "chosen": "a", "rejected": "b"}),
        ("openai_preference", PAIR)])
    def test_each_way_to_write_a_pair(self, convert: Convert, layout: str, row: dict[str, Any]) -> None:
        done = convert([row])
        assert done.shape.layout == layout
        assert done.examples == [self.PAIR]

    def test_system_and_tools_go_into_the_input(self, convert: Convert) -> None:
        [example] = convert([{"system": "s", "prompt": "q", "chosen": "a", "rejected": "b", "tools": TOOLS}]).examples
        assert example["input"] == {"messages": [{"role": "system", "content": "s"}, Q], "tools": TOOLS}

    @pytest.mark.parametrize(("row", "reason"), [
        ({"chosen": "a", "rejected": "b"}, "no prompt: chosen and rejected have no beginning in common"),
        ({"prompt": "q", "chosen": [Q], "rejected": "b"}, "'chosen' is not one answer of the assistant"),
        ({"prompt": "q", "chosen": None, "rejected": "b"}, "'chosen' is neither a text nor a chat"),
        ({"prompt": "q", "chosen": "a", "rejected": ""}, "'rejected' is empty")])
    def test_what_is_no_pair_is_skipped(self, convert: Convert, row: dict[str, Any], reason: str) -> None:
        assert convert([row]).reasons == {reason: 1}


class TestMessages:
    def test_a_json_array_of_them(self, convert: Convert) -> None:
        done = convert([{"messages": [Q, A], "source": "x", "tools": TOOLS, "parallel_tool_calls": False}])
        assert done.shape.layout == "messages"
        assert done.examples == [{"messages": [Q, A], "parallel_tool_calls": False, "tools": TOOLS}]

    def test_calls_without_an_id_or_with_an_object_as_arguments(self, convert: Convert) -> None:
        asked = {"role": "assistant", "tool_calls": [{"type": "function", "function": {
            "name": "f", "arguments": {"a": 1}}}]}
        talk = [Q, asked, {"role": "tool", "tool_call_id": "call_1", "content": "r"}, {**A, "tool_calls": []}]
        [example] = convert([{"messages": talk, "tools": TOOLS}]).examples
        assert example["messages"] == [Q, {"role": "assistant", "tool_calls": [told(1, a=1)]}, talk[2], A]

    def test_turns_of_from_and_value_under_this_name(self, convert: Convert) -> None:
        row = {"messages": [HUMAN, GPT]}
        assert convert([row]).examples == [{"messages": [Q, A]}]
        assert convert(json.dumps(row).encode(), "a.jsonl").examples == [{"messages": [Q, A]}]

    @pytest.mark.parametrize("talk", [None, [], "x", [None], [5], [{"role": "user"}], [Q, {**A, "content": 5}]])
    def test_what_is_no_chat_is_skipped(self, convert: Convert, talk: Any) -> None:
        done = convert([{"messages": [Q, A]}, {"messages": talk}])
        assert (len(done.lines), sum(done.reasons.values())) == (1, 1)


class TestPromptCompletion:
    @pytest.mark.parametrize("row", [
        {"prompt": "q", "completion": "a"}, {"prompt": [Q], "completion": [A]}, {"prompt": "q", "response": "a"}])
    def test_texts_or_messages(self, convert: Convert, row: dict[str, Any]) -> None:
        done = convert([row])
        assert done.shape.layout == "prompt_completion"
        assert done.examples == [{"messages": [Q, A]}]
