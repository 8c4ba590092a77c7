"""Every rule of a chat example: what it says, where, and that good examples pass."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.validation.acceptance import is_clean
from service.datasets.validation import formats
from service.datasets.validation.findings import Finding



def check_chat_line(line: bytes, number: int) -> list[Finding]:
    return formats.check(line, number, "chat")


def explain(line: bytes, number: int) -> list[Finding]:
    return formats.explain(line, number, "chat")


ASK = {"role": "user", "content": "What is the weather in Paris?"}
TELL = {"role": "assistant", "content": "Mild."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Now.", "strict": True,
                                         "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}


def check(*messages: Any, number: int = 7, **more: Any) -> list[Finding]:
    return check_chat_line(json.dumps({"messages": list(messages), **more}).encode(), number)


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize("example", [
    {"messages": [ASK, TELL]},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "x"}, ASK, TELL]},
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
    ([1], "Example 7 is not a dictionary."),
])
def test_the_words_are_the_platforms(line: Any, message: str) -> None:
    assert message in [finding.message for finding in explain(json.dumps(line).encode(), 7)]


@pytest.mark.parametrize(("message", "kind", "path"), [
    ({"role": "bot", "content": "x"}, "unknown_role", "messages[1].role"),
    ({"role": {"a": 1}, "content": "x"}, "unknown_role", "messages[1].role"),
    ("text", "wrong_type", "messages[1]"),
    ({"role": "user", "content": None}, "wrong_type", "messages[1].content"),
    ({"role": "user", "content": 5}, "wrong_type", "messages[1].content"),
    ({"role": "user", "content": []}, "wrong_type", "messages[1].content"),
    ({"role": "user", "content": ["x"]}, "wrong_type", "messages[1].content[0]"),
    ({"role": "user", "content": [{"type": "input_audio"}]}, "unsupported_content", "messages[1].content[0]"),
    ({"role": "user", "content": [{"type": "text", "text": 5}]}, "wrong_type", "messages[1].content[0].text"),
    ({"role": "user", "content": [{"type": "text", "text": "x", "y": 1}]}, "unknown_key", "messages[1].content[0].y"),
    ({"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}, "wrong_type",
     "messages[1].content[0].image_url"),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}, "invalid_image",
     "messages[1].content[0].image_url.url"),
    ({"role": "user", "content": [IMAGE] * 11}, "too_many_images", "messages"),
    ({"role": "user", "content": "x", "name": 5}, "wrong_type", "messages[1].name"),
    ({"role": "assistant"}, "missing_content", "messages[1]"),
    ({"role": "assistant", "content": ""}, "empty_content", "messages[1].content"),
    ({"role": "assistant", "content": [IMAGE]}, "unsupported_content", "messages[1].content[0]"),
    ({"role": "assistant", "content": "x", "weight": 0.5}, "invalid_weight", "messages[1].weight"),
    ({"role": "assistant", "content": "x", "weight": True}, "invalid_weight", "messages[1].weight"),
    ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "unsupported_content", "messages[1].audio"),
    ({"role": "assistant", "tool_calls": []}, "invalid_tool_call", "messages[1].tool_calls"),
    ({"role": "assistant", "tool_calls": [{**CALL, "type": "x"}]}, "invalid_tool_call", "messages[1].tool_calls[0]"),
    ({"role": "assistant", "tool_calls": [{**CALL, "id": None}]}, "invalid_tool_call", "messages[1].tool_calls[0]"),
    ({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}, "invalid_tool_call",
     "messages[1].tool_calls[0].function.arguments"),
    ({"role": "assistant", "function_call": {"name": "f", "arguments": "{"}}, "arguments_not_json",
     "messages[1].function_call.arguments"),
    ({"role": "assistant", "function_call": {"name": "a b", "arguments": "{}"}}, "invalid_tools",
     "messages[1].function_call.name"),
    ({"role": "tool", "content": "x"}, "missing_key", "messages[1]"),
    ({"role": "tool", "content": "x", "tool_call_id": 5}, "wrong_type", "messages[1].tool_call_id"),
    ({"role": "tool", "content": "x", "tool_call_id": "call_9"}, "unanswered_call", "messages[1].tool_call_id"),
    ({"role": "function", "content": "x"}, "missing_key", "messages[1]"),
])
def test_a_bad_message_is_found_where_it_is(message: Any, kind: str, path: str) -> None:
    finding = only(check(ASK, message, TELL))
    assert (finding.kind, finding.path, finding.line) == (kind, path, 7)


@pytest.mark.parametrize(("more", "kind", "path"), [
    ({"tools": {}}, "invalid_tools", "tools"),
    ({"tools": [{"type": "retrieval"}]}, "invalid_tools", "tools[0]"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "invalid_tools", "tools[0].function.name"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": "{}"}}]}, "invalid_tools",
     "tools[0].function.parameters"),
    ({"functions": [{"name": "a", "returns": 1}]}, "unknown_key", "functions[0].returns"),
    ({"parallel_tool_calls": "yes"}, "wrong_type", "parallel_tool_calls"),
])
def test_a_bad_tool_is_found_where_it_is(more: dict[str, Any], kind: str, path: str) -> None:
    finding = only(check(ASK, TELL, **more))
    assert (finding.kind, finding.path, finding.severity) == (kind, path, "error")


def test_what_can_be_trained_on_is_only_warned_of() -> None:
    called = {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "other", "arguments": "{}"}}]}
    assert [(each.kind, each.severity) for each in check(ASK, called, ASK, tools=[TOOL])] == \
        [("undeclared_tool", "warning"), ("last_message_not_assistant", "warning")]


def test_every_problem_of_a_line_is_named() -> None:
    findings = check({"role": "user"}, {"role": "bot"}, {**TELL, "weight": 2, "x": 1}, tools=5, y=1)
    assert {finding.kind for finding in findings} == {"missing_key", "unknown_role", "invalid_weight", "unknown_key",
                                                      "invalid_tools"}


def test_a_line_of_a_million_problems_is_one_bad_line() -> None:
    assert len(explain(b'{"a":[' + b"NaN," * 100_000 + b"0]}", 1)) == 100
    assert len(check(*[5] * 100_000)) == 100


WORDS = st.sampled_from(["", "x", "é", "\x00", "\ud800", 'a":', '"', "\\", "user"])
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "bot"]),
     "content": WORDS | st.none()},
    optional={"name": WORDS, "weight": st.sampled_from([0, 1, 2, True, 1.0, None]), "x": WORDS})


@given(st.lists(MESSAGES, max_size=4), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
def test_the_fast_way_never_passes_what_the_slow_way_finds(messages: list[Any], separators: tuple[str, str]) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"messages": messages}, separators=separators, ensure_ascii=ascii_only)
        line = text.encode(errors="surrogatepass")
        if is_clean(line):
            assert explain(line, 1) == []


def test_the_fast_way_is_taken() -> None:
    assert is_clean(json.dumps({"messages": [ASK, {**TELL, "content": 'He said "x": yes\\'}]}).encode())
    assert not is_clean(b'{"messages":[{"role":"assistant","content":"b","content":"c"}]}')
