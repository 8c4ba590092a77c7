"""Lines of training data to try things on: good ones of every format, and small harms to them."""

import json
from typing import Any

from hypothesis import strategies as st

_TOOLS = [{"type": "function", "function": {
    "name": "find", "description": "Finds it.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["city"]}}}]
_TEXT = st.one_of(st.text(min_size=1, max_size=40), st.sampled_from((
    'He said: "no".', "a\\", '\\"', "<|endoftext|>", "\0", "日本語", '{"role":"user"}', '\\\\"', "  ", "x" * 300,
    "\ud83d\ude00")))


def _said(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """Most of them are clean; some have weights, names, calls or an unusual order."""
    messages = [_said(draw(st.sampled_from(("system", "developer"))), draw(_TEXT))] if draw(st.booleans()) else []
    value: dict[str, Any] = {"messages": messages}
    for _ in range(draw(st.integers(1, 3))):
        messages.append(_said("user", draw(_TEXT), **draw(st.sampled_from(({}, {}, {"name": "anna"})))))
        if draw(st.integers(0, 4)) == 0:
            value["tools"] = _TOOLS
            ids = draw(st.sampled_from((["a"], ["a", "b"], ["b", "b"])))
            content: dict[str, Any] = draw(st.sampled_from(({}, {"content": None}, {"content": "ok"})))
            calls = [{"id": each, "type": "function", "function": {
                "name": draw(st.sampled_from(("find", "find", "lose"))), "arguments": draw(_ARGUMENTS)}}
                for each in ids]
            messages.append({"role": "assistant", **content, "tool_calls": calls})
            messages.extend(_said("tool", draw(_TEXT), tool_call_id=each) for each in ids)
        weight = draw(st.sampled_from(({}, {}, {"weight": 0}, {"weight": 1})))
        messages.append(_said("assistant", draw(_TEXT), **weight))
    value.update(draw(st.sampled_from(({}, {}, {}, {"parallel_tool_calls": False}, {"functions": []}))))
    return value


_ARGUMENTS = st.one_of(st.sampled_from(('{"city": "Paris"}', '{"city": "Paris", "limit": 3}', '{"city": 3}', "{}", "[]",
                                        "no", '{"city": "a", "city": "b"}')), st.text(max_size=10))


@st.composite
def pairs(draw: st.DrawFn) -> dict[str, Any]:
    return {"input": {"messages": [_said("user", draw(_TEXT))]},
            "preferred_output": [_said("assistant", draw(_TEXT))],
            "non_preferred_output": [_said("assistant", draw(_TEXT))]}


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    return {"prompt": draw(_TEXT), "completion": draw(_TEXT)}


@st.composite
def lines(draw: st.DrawFn, values: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """Spelt in one way or another, and sometimes with a harm done to the text of the JSON."""
    value = draw(values)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()),
                      separators=draw(st.sampled_from(((", ", ": "), (",", ":"), (" , ", " : ")))))
    raw = text.encode(errors="surrogatepass")
    harm = draw(st.integers(0, 9))
    at = draw(st.integers(0, max(0, len(raw) - 1)))
    if harm == 0:
        return raw[:at] + raw[at + 1:]
    if harm == 1:
        return raw[:at] + draw(st.sampled_from((b'"', b"\\", b"\xff", b" ", b"\t", b"{", b",", b"\\u0000"))) + raw[at:]
    if harm == 2:  # a key that comes twice
        return raw.replace(b'"role"', b'"role": "user", "role"', 1)
    if harm == 3:
        first = next(iter(value))
        return b"{" + json.dumps(first).encode() + draw(st.sampled_from((b": []", b" :[]", b": null"))) + b"," + raw[1:]
    return raw
