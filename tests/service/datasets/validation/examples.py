"""Examples of each format with which nothing is wrong, in all the variety that the formats allow."""

import base64
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from service.datasets.validation.formats import Format

Example = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
NAMES = st.text("abcXYZ059_-", min_size=1, max_size=64)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 10 + b"\xff\xc0\0\x11\x08\0\1\0\1\3" + b"\0" * 9
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L"


def data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


IMAGES = st.builds(
    lambda url, more: {"type": "image_url", "image_url": {"url": url, **more}},
    st.sampled_from(["https://example.com/a.png", "http://example.com:80/ä?b=c", data_url("png", PNG),
                     data_url("jpeg", JPEG), data_url("webp", WEBP)]),
    st.fixed_dictionaries({}, optional={"detail": st.sampled_from(["low", "high", "auto"])}))
PARTS = st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXTS), min_size=1, max_size=3)
CONTENTS = TEXTS | PARTS
REFUSALS = st.just([{"type": "refusal", "refusal": "No."}])
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS, "integer": st.integers(-2**60, 2**60), "number": st.floats(-1e6, 1e6), "boolean": st.booleans(),
    "null": st.none()}


@st.composite
def functions(draw: Draw) -> tuple[Example, st.SearchStrategy[str]]:
    """A function, and arguments that fit it."""
    types = draw(st.dictionaries(TEXTS, st.sampled_from(sorted(_VALUES)), max_size=3))
    needed = draw(st.sets(st.sampled_from(sorted(types)))) if types else set()
    strict = draw(st.sampled_from([None, False, True])) if needed == set(types) else None
    schema = {"type": "object", "properties": {name: {"type": kind} for name, kind in types.items()},
              "required": sorted(needed), "additionalProperties": False}
    function = {"name": draw(NAMES), "parameters": schema}
    function |= draw(st.fixed_dictionaries({}, optional={"description": TEXTS | st.none()}))
    if strict is not None:
        function["strict"] = strict
    values = {name: _VALUES[kind] for name, kind in types.items()}
    arguments = st.fixed_dictionaries({name: values[name] for name in needed},
                                      optional={name: values[name] for name in types if name not in needed})
    return function, arguments.map(json.dumps)


class Dialogue:
    """Builds messages turn by turn."""

    def __init__(self, draw: Draw, *, tools: bool, images: bool, weights: bool) -> None:
        self.draw = draw
        self.images = images
        self.weights = weights
        known = draw(st.lists(functions(), min_size=1, max_size=3, unique_by=lambda each: each[0]["name"]))
        self.functions = known if tools else []
        self.messages: list[Example] = []
        self.calls = 0

    @property
    def tools(self) -> list[Example]:
        return [{"type": "function", "function": function} for function, _ in self.functions]

    def say(self, role: str, content: Any, **more: Any) -> None:
        named = self.draw(st.fixed_dictionaries({}, optional={"name": TEXTS}))
        self.messages.append({"role": role, "content": content, **named, **more})

    def ask(self) -> None:
        content = CONTENTS
        if self.images:
            content |= st.builds(lambda parts, images: parts + images, PARTS, st.lists(IMAGES, max_size=2))
        self.say("user", self.draw(content))

    def call(self) -> list[str]:
        """An assistant message with calls; their ids."""
        calls = []
        for function, arguments in self.draw(st.lists(st.sampled_from(self.functions), min_size=1, max_size=3)):
            self.calls += 1
            calls.append({"id": f"call_{self.calls}", "type": "function",
                          "function": {"name": function["name"], "arguments": self.draw(arguments)}})
        content = self.draw(st.sampled_from([{}, {"content": None}, {"content": "Let me see."}, {"content": ""}]))
        self.messages.append({"role": "assistant", **content, "tool_calls": calls, **self._weight()})
        return [str(call["id"]) for call in calls]

    def answer_calls(self, ids: list[str]) -> None:
        for call_id in self.draw(st.permutations(ids)):
            self.say("tool", self.draw(CONTENTS), tool_call_id=call_id)

    def use_tools(self) -> None:
        if self.functions and self.draw(st.booleans()):
            self.answer_calls(self.call())

    def answer(self, **weight: int) -> None:
        more = weight or self._weight()
        if self.draw(st.integers(0, 9)) == 0:
            self.messages.append({"role": "assistant", "content": None, "refusal": self.draw(TEXTS), **more})
        else:
            self.say("assistant", self.draw(CONTENTS | REFUSALS), **more)

    def _weight(self) -> dict[str, int]:
        weights = st.fixed_dictionaries({}, optional={"weight": st.sampled_from([0, 1])})
        return dict(self.draw(weights)) if self.weights else {}


@st.composite
def chats(draw: Draw, *, rich: bool = False) -> Example:
    talk = Dialogue(draw, tools=rich or draw(st.booleans()), images=True, weights=True)
    if role := draw(st.sampled_from(["system", "developer"] if rich else ["system", "developer", None])):
        talk.say(role, draw(CONTENTS))
    for _ in range(draw(st.integers(1, 2))):
        talk.ask()
        talk.use_tools()
        talk.answer()
    talk.ask()
    if rich:
        talk.answer_calls(talk.call())
    talk.answer(weight=1)
    return {"messages": talk.messages} | _declared(draw, talk)


@st.composite
def older_chats(draw: Draw) -> Example:
    """With `functions` and `function_call`, as they were before tools."""
    function, arguments = draw(functions())
    called = {"name": function["name"], "arguments": draw(arguments)}
    return {"functions": [{key: value for key, value in function.items() if key != "strict"}], "messages": [
        {"role": "user", "content": draw(TEXTS)}, {"role": "assistant", "content": None, "function_call": called},
        {"role": "function", "name": function["name"], "content": draw(TEXTS | st.none())},
        {"role": "assistant", "content": draw(TEXTS)}]}


@st.composite
def preferences(draw: Draw, *, rich: bool = False) -> Example:
    talk = Dialogue(draw, tools=rich or draw(st.booleans()), images=False, weights=False)
    if rich or draw(st.booleans()):
        talk.say("system", draw(CONTENTS))
    for _ in range(draw(st.integers(0, 2))):
        talk.ask()
        talk.use_tools()
        talk.answer()
    talk.ask()
    if rich:
        talk.answer_calls(talk.call())
    better, worse = draw(st.lists(TEXTS, min_size=2, max_size=2, unique=True))
    return {"input": {"messages": talk.messages} | _declared(draw, talk),
            "preferred_output": [{"role": "assistant", "content": better}],
            "non_preferred_output": [{"role": "assistant", "content": worse}]}


@st.composite
def reinforcements(draw: Draw, *, rich: bool = False) -> Example:
    talk = Dialogue(draw, tools=rich or draw(st.booleans()), images=True, weights=True)
    if rich or draw(st.booleans()):
        talk.say("developer", draw(CONTENTS))
    for _ in range(draw(st.integers(0, 1))):
        talk.ask()
        talk.answer()
    talk.ask()
    if rich:
        talk.answer_calls(talk.call())
    example: Example = {"messages": talk.messages}
    if talk.tools:
        example["tools"] = talk.tools
    graded = st.dictionaries(NAMES.filter(lambda key: key not in ("messages", "tools")), CONTENTS | st.integers(0, 9),
                             min_size=1, max_size=2)
    return {**example, **draw(graded)}


@st.composite
def completions(draw: Draw, *, rich: bool = False) -> Example:
    return {"prompt": draw(TEXTS if rich else TEXTS | st.just("")), "completion": draw(TEXTS)}


VALID: dict[Format, st.SearchStrategy[Example]] = {
    "chat": chats() | older_chats(), "preference": preferences(), "reinforcement": reinforcements(),
    "completion": completions()}
RICH: dict[Format, st.SearchStrategy[Example]] = {
    "chat": chats(rich=True), "preference": preferences(rich=True), "reinforcement": reinforcements(rich=True),
    "completion": completions(rich=True)}


def _declared(draw: Draw, talk: Dialogue) -> Example:
    if not talk.tools:
        return {}
    parallel = draw(st.fixed_dictionaries({}, optional={"parallel_tool_calls": st.just(value=True)}))
    return {"tools": talk.tools, **parallel}


WRITINGS = st.builds(
    lambda ascii_only, separators: lambda example: json.dumps(example, ensure_ascii=ascii_only,
                                                              separators=separators).encode(),
    st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
"""Ways to write an example as a line."""
