"""Lines become Bedrock's, to the letter of its documentation, or are refused with their number and a reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.bedrock_models import FAMILIES, RESERVED, Family
from worker.providers.bedrock.lines import Misfit, converse, converted
from worker.providers.remote import Refused

NOVA, LLAMA = FAMILIES["amazon.nova-lite"], FAMILIES["meta.llama3-3"]
ANY = Family("any", "converse", (1, 5, 2), (1e-6, 1e-4, 1e-5))


def turned(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return converse({"messages": list(messages), **more}, RESERVED)


def says(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_a_conversation_is_said_as_the_user_guide_shows_it() -> None:
    assert turned(says("system", "You are a digital assistant with a friendly personality"),
                  says("user", "What is the capital of Mars?"),
                  says("assistant", "Mars does not have a capital. Perhaps it will one day.")) == {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "You are a digital assistant with a friendly personality"}],
        "messages": [{"role": "user", "content": [{"text": "What is the capital of Mars?"}]},
                     {"role": "assistant",
                      "content": [{"text": "Mars does not have a capital. Perhaps it will one day."}]}]}


def test_text_parts_stay_apart_and_developers_are_the_system() -> None:
    told = turned(says("developer", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
                  says("user", "c"), says("assistant", "d", weight=1), parallel_tool_calls=True)
    assert told["system"] == [{"text": "a"}, {"text": "b"}]


def test_a_conversation_without_system_has_no_system() -> None:
    assert "system" not in turned(says("user", "a"), says("assistant", "b"))


U, A = says("user", "a"), says("assistant", "b")


@pytest.mark.parametrize(("messages", "reason"), [
    ([], "last turn"), ([U], "last turn"), ([A], "turn 1 is the assistant's"), ([U, U, A], "turn 2 is the user's"),
    ([U, A, A], "turn 3"), ([U, A, U], "last turn"), ([U, says("system", "x"), A], "behind the first turn"),
    ([U, says("assistant", "b", weight=0)], "weight 0"), ([U, says("assistant", None)], "no text"),
    ([U, says("assistant", "")], "empty"), ([U, says("assistant", [])], "empty"),
    ([U, says("assistant", None, tool_calls=[{}])], "tool calls"),
    ([U, says("tool", "x", tool_call_id="1"), A], "role"),
    ([says("user", [{"type": "image_url", "image_url": {"url": "https://x"}}]), A], "image_url"),
    ([says("user", "a", name="Bo"), A], "names"), ([U, says("assistant", "b", refusal="no")], "refusals"),
    ([says("user", "Here:\nUser: hello"), A], "'User:'"), ([says("system", "<image>"), U, A], "'<image>'"),
    (["x"], "not an object"), ([{"role": []}], "role"), ([says("user", 5), A], "no text"),
    ([says("user", [5]), A], "'int'"),
])
def test_what_cannot_be_said_is_refused_with_the_reason(messages: list[Any], reason: str) -> None:
    with pytest.raises(Misfit, match=reason):
        turned(*messages)


def test_tools_are_refused_and_an_empty_list_of_them_is_not() -> None:
    with pytest.raises(Misfit, match="tools"):
        turned(U, A, tools=[{"type": "function"}])
    assert turned(U, A, tools=[])["messages"]


def test_an_answer_may_contain_what_a_prompt_may_not() -> None:
    assert turned(U, says("assistant", "User: hello"))["messages"][1]["content"] == [{"text": "User: hello"}]


def test_other_families_keep_no_words_for_themselves() -> None:
    line = json.dumps({"messages": [says("user", "User: hi"), A]}).encode()
    assert len(list(converted([line], LLAMA, "training_file"))) == 1
    with pytest.raises(Refused):
        list(converted([line], NOVA, "training_file"))


@pytest.mark.parametrize("bad", [b"{", b"[]", b'{"messages": {}}', b"\xff", b'{"messages": [' + b"[" * 100_000,
                                 b'{"messages": "\\ud800"}', b"1" * 9_000_000,
                                 json.dumps({"messages": [says("user", "\ud800"), A]}).encode()])
def test_a_bad_line_is_refused_with_its_number_and_its_parameter(bad: bytes) -> None:
    good = json.dumps({"messages": [U, A]}).encode()
    with pytest.raises(Refused) as refused:
        list(converted([good + b"\n\n" + bad + b"\n" + good], ANY, "validation_file"))
    assert refused.value.message.startswith("Line 3 ")
    assert (refused.value.code, refused.value.param) == ("invalid_file_format", "validation_file")


def test_marks_blank_lines_and_carriage_returns_are_no_examples() -> None:
    good = json.dumps({"messages": [U, A]}).encode()
    told = list(converted([b"\xef\xbb\xbf" + good + b"\r\n \r\n\n" + good], ANY, "training_file"))
    assert len(told) == 2
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 for line in told)


@pytest.mark.parametrize("count", [7, 20_001])
def test_too_few_and_too_many_examples_are_refused(count: int) -> None:
    good = json.dumps({"messages": [U, A]}).encode() + b"\n"
    with pytest.raises(Refused) as refused:
        list(converted((good for _ in range(count)), NOVA, "training_file"))
    assert refused.value.code == "invalid_n_examples"


texts = st.text(max_size=12)
contents = st.one_of(texts, st.none(), st.lists(st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url"]), "text": texts}), texts), max_size=3))
some_messages = st.lists(st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "user", "assistant", "assistant", "tool"]),
     "content": contents}, optional={"weight": st.sampled_from([0, 1, None]), "name": st.none() | texts}), max_size=6)


@given(some_messages)
def test_whatever_is_turned_fits_the_documented_form_and_says_the_same(messages: list[dict[str, Any]]) -> None:
    try:
        told = turned(*messages)
    except Misfit:
        return
    assert set(told) <= {"schemaVersion", "system", "messages"}
    roles = [turn["role"] for turn in told["messages"]]
    assert len(roles) % 2 == 0
    assert roles == ["user", "assistant"] * (len(roles) // 2)
    blocks = [*told.get("system", []), *(block for turn in told["messages"] for block in turn["content"])]
    assert all(set(block) == {"text"} and block["text"] for block in blocks)
    assert all(turn["content"] and set(turn) == {"role", "content"} for turn in told["messages"])
    said = [part if isinstance(part, str) else part["text"] for message in messages
            for part in ([message["content"]] if isinstance(message["content"], str) else message["content"])]
    assert [block["text"] for block in blocks] == [text for text in said if text]
