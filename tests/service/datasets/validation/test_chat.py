"""Every rule of a chat example: what it says, where, and that good examples pass."""

import json
from typing import Any

import pytest

from service.datasets.validation import formats
from service.datasets.validation.findings import Finding


def check_chat_line(line: bytes, number: int) -> list[Finding]:
    return formats.check(line, number, "chat")


ASK = {"role": "user", "content": "What is the weather in Paris?"}
TELL = {"role": "assistant", "content": "Mild."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
TOOL = {"type": "function", "function": {
    "name": "weather", "description": "Now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}


def check(*messages: Any, number: int = 7, **more: Any) -> list[Finding]:
    return check_chat_line(json.dumps({"messages": list(messages), **more}).encode(), number)


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize("example", [
    {"messages": [ASK, TELL]},
    {"messages": [{"role": "system", "content": "Be brief."}, ASK, TELL]},
    {"messages": [ASK, {**TELL, "weight": 0}, ASK, {**TELL, "weight": 1}]},
    {"messages": [{**ASK, "name": "Ann"}, {**TELL, "name": "Bot"}]},
    {"messages": [ASK, {"role": "assistant", "tool_calls": [CALL]},
                  {"role": "tool", "tool_call_id": "call_1", "content": "15 C"}, TELL],
     "tools": [TOOL], "parallel_tool_calls": False},
    {"messages": [ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": [TOOL]},
    {"messages": [ASK, {"role": "assistant", "function_call": {"name": "weather", "arguments": "{}"}},
                  {"role": "function", "name": "weather", "content": "15 C"}, TELL],
     "functions": [{"name": "weather", "parameters": {}}]},
    {"messages": [ASK, {"role": "assistant", "content": None, "refusal": "No."}]},
    {"messages": [ASK, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}, TELL]},
    {"messages": [ASK, {**TELL, "tool_calls": None, "function_call": None, "refusal": None, "audio": None}]},
], ids=str)
def test_a_good_example_passes(example: dict[str, Any]) -> None:
    assert check_chat_line(json.dumps(example).encode(), 1) == []
    spread = json.dumps(example, ensure_ascii=False, indent=1).replace("\n", " ")
    assert check_chat_line(spread.encode() + b"\r", 1) == []


@pytest.mark.parametrize(("line", "message"), [
    ({"prompt": "a", "completion": "b"}, "Example 7 is missing key 'messages'."),
    ({"messages": [ASK, TELL], "extra": 1}, 'Example 7 contains an extra "extra".'),
    ({"messages": [ASK, {"content": "x"}, TELL]}, "Example 7, message 2 Discriminator 'role' is missing in value"),
    ({"messages": [{**ASK, "weight": 1}, TELL]}, 'Example 7, message 1 contains an extra "weight".'),
    ({"messages": [{"role": "user"}, TELL]}, "Example 7, message 1 is missing key 'content'."),
    ({"messages": []}, "Example 7 has 'messages' that is not a list of at least one message."),
    ({"messages": [ASK]}, "Example 7 has no assistant message."),
    ({"messages": [ASK, {**TELL, "weight": 0}]}, "Example 7 has only assistant messages of weight 0."),
    ({"messages": [ASK, {**TELL, "content": ""}]}, "Example 7 has nothing but empty assistant messages."),
    ([1], "Example 7 is not a dictionary."),
])
def test_the_words_are_the_platforms(line: Any, message: str) -> None:
    assert message in [finding.message for finding in check_chat_line(json.dumps(line).encode(), 7)]


def test_what_can_be_trained_on_is_only_warned_of() -> None:
    called = {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "other", "arguments": "{}"}}]}
    answer = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
    assert [(each.kind, each.severity) for each in check(ASK, called, answer, tools=[TOOL])] == \
        [("undeclared_tool", "warning"), ("last_message_not_assistant", "warning")]


def test_calls_may_stay_open_only_at_the_end() -> None:
    called = {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "call_2"}]}
    answer = {"role": "tool", "tool_call_id": "call_2", "content": "x"}
    assert check(ASK, called, tools=[TOOL]) == []
    findings = check(ASK, called, answer, ASK, TELL, tools=[TOOL])
    assert only(findings).message == \
        "Example 7, message 2 makes the call 'call_1', which no tool message answers before the next turn."
    assert only(findings).path == "messages[1].tool_calls[0]"


def test_arguments_are_held_against_the_parameters() -> None:
    called = {"role": "assistant", "tool_calls": [
        {**CALL, "function": {"name": "weather", "arguments": '{"city": 5}'}}]}
    finding = only(check(ASK, called, tools=[TOOL]))
    assert finding.message.endswith("has arguments that the parameters of 'weather' do not allow:"
                                    ' city: 5 is not of type "string"')


def test_remarks_turn_no_verdict() -> None:
    calls = [{"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]
    findings = check(ASK, ASK, *calls, TELL, ASK, *calls, TELL, ASK, {**TELL, "weight": 0})
    assert {(each.kind, each.severity) for each in findings} == {
        ("repeated_role", "info"), ("no_tools_declared", "info"), ("reused_call_id", "info"),
        ("last_message_untrained", "info")}


def test_every_problem_of_a_line_is_named() -> None:
    findings = check({"role": "user"}, {"role": "bot"}, {**TELL, "weight": 2, "x": 1}, tools=5, y=1)
    assert {finding.kind for finding in findings} == {"missing_key", "unknown_role", "invalid_weight", "unknown_key",
                                                      "invalid_tools"}


def test_a_line_of_a_million_problems_is_one_bad_line() -> None:
    assert len(check_chat_line(b'{"a":[' + b"NaN," * 100_000 + b"0]}", 1)) == 100
    assert len(check(*[5] * 100_000)) == 100
