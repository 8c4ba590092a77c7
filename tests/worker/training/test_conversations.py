"""Chats in OpenAI's words become messages that templates understand, with nothing lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from worker.training.conversations import BadConversation, for_template, parse, read_conversations

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def chat(*messages: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"messages": list(messages), **rest}


def test_assistants_are_learned_unless_their_weight_is_zero() -> None:
    parsed = parse(
        chat(
            {"role": "user", "content": "a", "weight": 1},
            {"role": "assistant", "content": "b", "weight": 0},
            {"role": "assistant", "content": "c", "weight": 1},
            {"role": "assistant", "content": "d"},
        )
    )
    assert parsed.learned == [False, False, True, True]
    assert all("weight" not in message for message in parsed.messages)


def test_text_parts_are_joined_and_a_refusal_is_text() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    parsed = parse(chat({"role": "user", "content": parts}, {"role": "assistant", "content": None, "refusal": "No."}))
    assert [message["content"] for message in parsed.messages] == ["one two", "No."]


def test_tool_calls_keep_their_ids_and_their_arguments_are_objects() -> None:
    parsed = parse(
        chat(
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "12"},
            tools=[TOOL],
            parallel_tool_calls=False,
        )
    )
    assert parsed.messages[0]["tool_calls"][0]["function"]["arguments"] == {"city": "Rome"}
    assert parsed.messages[1] == {"role": "tool", "tool_call_id": "call_1", "content": "12"}
    assert parsed.tools == [TOOL]


def test_deprecated_functions_are_tools() -> None:
    parsed = parse(
        chat(
            {"role": "assistant", "function_call": {"name": "weather", "arguments": "not json"}},
            {"role": "function", "name": "weather", "content": "12"},
            functions=[TOOL["function"]],
        )
    )
    assert parsed.tools == [TOOL]
    assert parsed.messages[0]["tool_calls"][0]["function"] == {"name": "weather", "arguments": "not json"}
    assert parsed.messages[1]["role"] == "tool"


def test_a_developer_is_the_system_where_the_template_knows_none() -> None:
    parsed = parse(chat({"role": "developer", "content": "Be brief."}))
    assert for_template(parsed, "{{ messages }}").messages[0]["role"] == "system"
    assert for_template(parsed, "{% if role == 'developer' %}").messages[0]["role"] == "developer"


@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "Be brief."}]])
def test_a_template_without_tools_is_told_of_them_in_words(system: list[dict[str, Any]]) -> None:
    example = chat(*system, {"role": "assistant", "content": "I look.", "tool_calls": [CALL]}, tools=[TOOL])
    told = for_template(parse(example), "{{ message.content }}")
    assert [message["role"] for message in told.messages] == ["system", "assistant"]
    assert told.learned == [False, True]
    assert told.tools == []
    assert '"name": "weather"' in told.messages[0]["content"]
    assert told.messages[0]["content"].startswith("Be brief." if system else "You may call")
    assert told.messages[1]["content"] == (
        'I look.\n<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
    )


def test_a_template_with_tools_is_given_them() -> None:
    parsed = parse(chat({"role": "assistant", "tool_calls": [CALL]}, tools=[TOOL]))
    assert for_template(parsed, "{% for t in tools %}{{ message.tool_calls }}") == parsed


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "Line 3: "),
        ("[]", "Line 3: an example is an object"),
        ('{"messages": []}', "Line 3: messages is a list"),
        ('{"messages": [{"content": "x"}]}', "with a role"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "'image_url'"),
        ('{"messages": [{"role": "user", "content": 5}]}', "content is a text"),
        ('{"messages": [{"role": "assistant", "tool_calls": [5]}]}', "function with a name"),
        ('{"messages": ' + "[" * 100_000, "Line 3: "),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, complaint: str) -> None:
    good = json.dumps(chat({"role": "user", "content": "x"}))
    path = tmp_path / "chats.jsonl"
    path.write_text(f"{good}\n\n{line}\n{good}\n")
    with pytest.raises(BadConversation, match=complaint):
        read_conversations(path)


def test_bytes_that_are_no_utf8_are_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b'{"messages": "\xff"}\n')
    with pytest.raises(BadConversation, match="Line 1"):
        read_conversations(path)
