"""One rule broken at a time: what is done to a good example, and the kind and the path that must be told of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.datasets.validation.formats import Format
from tests.service.datasets.validation.examples import JPEG, PNG, Example, data_url

Mutate = Callable[[Example], str | None]
"""Changes an example in place; the path at which it must be found."""
DIALOGUES: tuple[Format, ...] = ("chat", "preference", "reinforcement")
SEEN: tuple[Format, ...] = ("chat", "reinforcement")
ALL: tuple[Format, ...] = (*DIALOGUES, "completion")


@dataclass(frozen=True)
class Mutation:
    name: str
    formats: tuple[Format, ...]
    kind: str
    mutate: Mutate


def inner(example: Example) -> tuple[Example, str]:
    """What holds the messages, and the path before them."""
    return (example["input"], "input.") if "input" in example else (example, "")


def put(*steps: str | int, value: Any) -> Mutate:
    """Set what stands under the steps, from where the messages are; the steps are its path."""
    def mutate(example: Example) -> str:
        holder, prefix = inner(example)
        return prefix + _set(holder, steps, value)
    return mutate


def top(*steps: str | int, value: Any) -> Mutate:
    return lambda example: _set(example, steps, value)


def drop(key: str) -> Mutate:
    def mutate(example: Example) -> None:
        del example[key]
    return mutate


def _set(holder: Any, steps: tuple[str | int, ...], value: Any) -> str:
    for step in steps[:-1]:
        holder = holder[step]
    holder[steps[-1]] = value
    return path_of(*steps)


def path_of(*steps: str | int) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def in_message(role: str, *steps: str | int, value: Any = None, remove: bool = False, tells: str | None = None,
               calling: bool = False) -> Mutate:
    """Change the first message of a role. `tells` is where it is told, when not where it is changed."""
    def mutate(example: Example) -> str:
        holder, prefix = inner(example)
        index = next(at for at, message in enumerate(holder["messages"])
                     if message["role"] == role and calling == bool(message.get("tool_calls")))
        message = holder["messages"][index]
        if remove:
            message.pop(steps[0])
        else:
            _set(message, steps, value)
        where = path_of("messages", index, *((tells,) if tells else () if tells == "" or remove else steps))
        return prefix + where
    return mutate


def insert(at: int, message: Any) -> Mutate:
    def mutate(example: Example) -> str:
        holder, prefix = inner(example)
        index = at % (len(holder["messages"]) + 1)
        holder["messages"].insert(index, message)
        return f"{prefix}messages[{index}]"
    return mutate


def image(**image_url: Any) -> Mutate:
    """A first user message with one image."""
    def mutate(example: Example) -> str:
        index = next(at for at, message in enumerate(example["messages"]) if message["role"] == "user")
        example["messages"][index]["content"] = [{"type": "image_url", "image_url": image_url}]
        return f"messages[{index}].content[0].image_url"
    return mutate


def below(mutate: Mutate, *steps: str) -> Mutate:
    """The same, told further inside."""
    return lambda example: ".".join([mutate(example) or "", *steps]).removeprefix(".")


def answer_nothing(example: Example) -> str:
    holder, prefix = inner(example)
    index = next(at for at, message in enumerate(holder["messages"]) if message["role"] == "tool")
    del holder["messages"][index]
    caller = max(at for at in range(index) if holder["messages"][at].get("tool_calls"))
    holder["messages"][caller]["tool_calls"] = holder["messages"][caller]["tool_calls"][:1]
    holder["messages"] = [each for at, each in enumerate(holder["messages"]) if at <= caller or each["role"] != "tool"]
    holder["messages"][caller + 1:] = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."},
                                       {"role": "user", "content": "Hm?"}, *_end(example)]
    return f"{prefix}messages[{caller}].tool_calls[0]"


def _end(example: Example) -> list[Example]:
    return [{"role": "assistant", "content": "Yes."}] if set(example) <= {"messages", "tools",
                                                                            "parallel_tool_calls"} else []


def call_twice(example: Example) -> str:
    holder, prefix = inner(example)
    index, message = next((at, each) for at, each in enumerate(holder["messages"]) if each.get("tool_calls"))
    message["tool_calls"].append(dict(message["tool_calls"][0]))
    return f"{prefix}messages[{index}].tool_calls[{len(message['tool_calls']) - 1}].id"


def call_at_once(example: Example) -> str:
    holder, prefix = inner(example)
    holder["parallel_tool_calls"] = False
    index, message = next((at, each) for at, each in enumerate(holder["messages"]) if each.get("tool_calls"))
    more = {**message["tool_calls"][0], "id": "other"}
    message["tool_calls"].append(more)
    holder["messages"].insert(index + 1, {"role": "tool", "tool_call_id": "other", "content": "x"})
    return f"{prefix}messages[{index}].tool_calls"


def answer_twice(example: Example) -> str:
    holder, prefix = inner(example)
    index, message = next((at, each) for at, each in enumerate(holder["messages"]) if each["role"] == "tool")
    holder["messages"].insert(index + 1, dict(message))
    return f"{prefix}messages[{index + 1}].tool_call_id"


def same_tool_twice(example: Example) -> str:
    holder, prefix = inner(example)
    holder["tools"].append(holder["tools"][0])
    return f"{prefix}tools[{len(holder['tools']) - 1}].function.name"


def misfit(example: Example) -> str:
    holder, prefix = inner(example)
    index, message = next((at, each) for at, each in enumerate(holder["messages"]) if each.get("tool_calls"))
    message["tool_calls"][0]["function"]["arguments"] = '{"\\u0001 is no property":1}'
    return f"{prefix}messages[{index}].tool_calls[0].function.arguments"


def only_assistants(**changes: Any) -> Mutate:
    def mutate(example: Example) -> str:
        for message in example["messages"]:
            if message["role"] == "assistant":
                message.update(changes)
                if "content" in changes:
                    message.pop("refusal", None)
                    message.pop("tool_calls", None)
        example["messages"] = [each for each in example["messages"] if each["role"] != "tool"]
        return "messages"
    return mutate


def no_assistants(example: Example) -> str:
    example["messages"] = [each for each in example["messages"] if each["role"] in ("user", "system", "developer")]
    return "messages"


def same_outputs(example: Example) -> str:
    example["non_preferred_output"] = [dict(example["preferred_output"][0])]
    return "non_preferred_output"


def lax(example: Example) -> str:
    holder, prefix = inner(example)
    holder["tools"][0]["function"] |= {"strict": True, "parameters": {
        "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}}
    return f"{prefix}tools[0].function.parameters"


_CALLED = {"role": "assistant", "tool_calls": [{"id": "lonely", "type": "function",
                                                "function": {"name": "f", "arguments": "{}"}}]}
_FUNCTION = ("tools", 0, "function")
_CALL = ("tool_calls", 0)


def _schema(schema: Any) -> Mutate:
    return put(*_FUNCTION, "parameters", value=schema)


MUTATIONS = [
    Mutation("no messages", SEEN, "missing_messages", drop("messages")),
    Mutation("no messages in input", ("preference",), "missing_messages", below(top("input", value={}))),
    Mutation("no input", ("preference",), "missing_input", drop("input")),
    Mutation("input is a list", ("preference",), "wrong_type", top("input", value=[])),
    Mutation("a key too many", ("chat", "preference", "completion"), "unknown_key", top("more", value=1)),
    Mutation("a key too many in input", ("preference",), "unknown_key", put("functions", value=[])),
    Mutation("messages are an object", DIALOGUES, "wrong_type", put("messages", value={})),
    Mutation("messages are none", DIALOGUES, "wrong_type", put("messages", value=[])),
    Mutation("a message is a text", DIALOGUES, "wrong_type", insert(1, "hello")),
    Mutation("no role", DIALOGUES, "missing_role", in_message("user", "role", remove=True)),
    Mutation("unknown role", DIALOGUES, "unknown_role", in_message("user", "role", value="human")),
    Mutation("a role that is a list", DIALOGUES, "unknown_role", in_message("user", "role", value=[])),
    Mutation("system in reinforcement", ("reinforcement",), "unknown_role", in_message("developer", "role",
                                                                                       value="system")),
    Mutation("function in reinforcement", ("reinforcement",), "unknown_role", in_message("tool", "role",
                                                                                         value="function")),
    Mutation("a key too many in a message", DIALOGUES, "unknown_key", in_message("user", "mood", value="x")),
    Mutation("user of weight 1", DIALOGUES, "unknown_key", in_message("user", "weight", value=1)),
    Mutation("tool_calls of a user", DIALOGUES, "unknown_key", in_message("user", "tool_calls", value=[])),
    Mutation("weight 2", DIALOGUES, "invalid_weight", in_message("assistant", "weight", value=2, calling=True)),
    Mutation("weight true", DIALOGUES, "invalid_weight", in_message("assistant", "weight", value=True, calling=True)),
    Mutation("weight in text", DIALOGUES, "invalid_weight", in_message("assistant", "weight", value="1", calling=True)),
    Mutation("name is a number", DIALOGUES, "wrong_type", in_message("user", "name", value=5)),
    Mutation("no content", DIALOGUES, "missing_key", in_message("user", "content", remove=True)),
    Mutation("content of a user is null", DIALOGUES, "wrong_type", in_message("user", "content", value=None)),
    Mutation("content is a number", DIALOGUES, "wrong_type", in_message("user", "content", value=5)),
    Mutation("content has no parts", DIALOGUES, "wrong_type", in_message("user", "content", value=[])),
    Mutation("a part without type", DIALOGUES, "wrong_type", in_message("user", "content", value=[{"text": "x"}],
                                                                        tells="content[0]")),
    Mutation("a part of text without text", DIALOGUES, "wrong_type", in_message(
        "user", "content", value=[{"type": "text"}], tells="content[0].text")),
    Mutation("a key too many in a part", DIALOGUES, "unknown_key", in_message(
        "user", "content", value=[{"type": "text", "text": "x", "lang": "en"}], tells="content[0].lang")),
    Mutation("audio", DIALOGUES, "unsupported_content", in_message(
        "user", "content", value=[{"type": "input_audio", "input_audio": {}}], tells="content[0]")),
    Mutation("file", DIALOGUES, "unsupported_content", in_message(
        "user", "content", value=[{"type": "file", "file": {}}], tells="content[0]")),
    Mutation("refusal of a user", DIALOGUES, "unsupported_content", in_message(
        "user", "content", value=[{"type": "refusal", "refusal": "x"}], tells="content[0]")),
    Mutation("image of an assistant", DIALOGUES, "unsupported_content", in_message(
        "assistant", "content", value=[{"type": "image_url", "image_url": {"url": "https://example.com"}}],
        tells="content[0]", calling=True)),
    Mutation("image of a tool", DIALOGUES, "unsupported_content", in_message(
        "tool", "content", value=[{"type": "image_url", "image_url": {"url": "https://example.com"}}],
        tells="content[0]")),
    Mutation("image in a pair", ("preference",), "unsupported_content", in_message(
        "user", "content", value=[{"type": "image_url", "image_url": {"url": "https://example.com"}}],
        tells="content[0]")),
    Mutation("refusal beside text", DIALOGUES, "refusal_not_alone", in_message(
        "assistant", "content", value=[{"type": "refusal", "refusal": "x"}, {"type": "text", "text": "x"}],
        calling=True)),
    Mutation("refusal is a number", DIALOGUES, "wrong_type", in_message("assistant", "refusal", value=5, calling=True)),
    Mutation("audio of an assistant", DIALOGUES, "unsupported_content", in_message(
        "assistant", "audio", value={"id": "x"}, calling=True)),
    Mutation("nothing said", DIALOGUES, "missing_content", insert(3, {"role": "assistant"})),
    Mutation("said empty", DIALOGUES, "empty_content", below(insert(3, {"role": "assistant", "content": ""}),
                                                             "content")),
    Mutation("a million characters", SEEN, "very_long_text", in_message("user", "content", value="x" * 1_000_001)),
    Mutation("image without url", SEEN, "wrong_type", image(href="x")),
    Mutation("image by ftp", SEEN, "invalid_image", below(image(url="ftp://example.com/a.png"), "url")),
    Mutation("image without host", SEEN, "invalid_image", below(image(url="https:///a.png"), "url")),
    Mutation("image with blanks", SEEN, "invalid_image", below(image(url="https://example.com/a b.png"), "url")),
    Mutation("image of detail medium", SEEN, "invalid_image", below(image(url="https://a.b", detail="medium"),
                                                                    "detail")),
    Mutation("image with a key too many", SEEN, "unknown_key", below(image(url="https://a.b", alt="x"), "alt")),
    Mutation("gif", SEEN, "invalid_image", below(image(url="data:image/gif;base64,R0lGODlh"), "url")),
    Mutation("not base64", SEEN, "invalid_image", below(image(url="data:image/png;base64,*"), "url")),
    Mutation("base64 without padding", SEEN, "invalid_image", below(image(
        url=data_url("jpeg", JPEG + b"x" * (1 - len(JPEG) % 3)).rstrip("=") + "A"), "url")),
    Mutation("png declared as jpeg", SEEN, "image_type_differs", below(image(url=data_url("jpeg", PNG)), "url")),
    Mutation("text declared as png", SEEN, "image_type_differs", below(image(url=data_url("png", b"hello")), "url")),
    Mutation("palette png", SEEN, "image_colours", below(image(
        url=data_url("png", PNG[:25] + b"\3" + PNG[26:])), "url")),
    Mutation("CMYK jpeg", SEEN, "image_colours", below(image(
        url=data_url("jpeg", JPEG.replace(b"\0\1\0\1\3", b"\0\1\0\1\4"))), "url")),
    Mutation("eleven images", SEEN, "too_many_images", lambda example: (in_message("user", "content", value=[
        {"type": "image_url", "image_url": {"url": "https://a.b"}}] * 11)(example), "messages")[1]),
    Mutation("late system message", ("chat", "preference"), "late_instructions",
             insert(2, {"role": "system", "content": "x"})),
    Mutation("late developer message", DIALOGUES, "late_instructions", insert(2, {"role": "developer",
                                                                                  "content": "x"})),
    Mutation("second developer message", DIALOGUES, "several_instructions",
             lambda example: (insert(0, {"role": "developer", "content": "x"})(example) or "").replace("[0]", "[1]")),
    Mutation("two questions", DIALOGUES, "repeated_role",
             lambda example: (insert(1, {"role": "user", "content": "x"})(example) or "").replace("[1]", "[2]")),
    Mutation("no assistant", ("chat",), "no_assistant_message", no_assistants),
    Mutation("all of weight 0", ("chat",), "nothing_to_learn", only_assistants(weight=0)),
    Mutation("all empty", ("chat",), "nothing_to_learn", only_assistants(content="")),
    Mutation("ends with a question", ("chat",), "last_message_not_assistant",
             lambda example: insert(-1, {"role": "user", "content": "x"})(example) and "messages"),
    Mutation("ends untrained", ("chat",), "last_message_untrained", lambda example: insert(-1, {
        "role": "assistant", "content": "x", "weight": 0})(example) and "messages"),
    Mutation("ends with an answer", ("preference", "reinforcement"), "last_message_not_asking",
             insert(-1, {"role": "assistant", "content": "x"})),
    Mutation("tools are an object", DIALOGUES, "invalid_tools", put("tools", value={})),
    Mutation("129 tools", DIALOGUES, "invalid_tools", put("tools", value=[
        {"type": "function", "function": {"name": f"f{number}"}} for number in range(129)])),
    Mutation("no functions", ("chat",), "invalid_tools", put("functions", value=[])),
    Mutation("a tool that retrieves", DIALOGUES, "invalid_tools", put("tools", 0, value={"type": "retrieval"})),
    Mutation("a tool without function", DIALOGUES, "invalid_tools", put(*_FUNCTION, value=None)),
    Mutation("a key too many in a tool", DIALOGUES, "unknown_key", put("tools", 0, "cost", value=1)),
    Mutation("a key too many in a function", DIALOGUES, "unknown_key", put(*_FUNCTION, "returns", value={})),
    Mutation("a name with a blank", DIALOGUES, "invalid_tools", put(*_FUNCTION, "name", value="a b")),
    Mutation("a name of 65 characters", DIALOGUES, "invalid_tools", put(*_FUNCTION, "name", value="x" * 65)),
    Mutation("a name with a newline", DIALOGUES, "invalid_tools", put(*_FUNCTION, "name", value="x\n")),
    Mutation("description is a list", DIALOGUES, "invalid_tools", put(*_FUNCTION, "description", value=[])),
    Mutation("parameters in a string", DIALOGUES, "invalid_tools", _schema("{}")),
    Mutation("strict in a string", DIALOGUES, "invalid_tools", put(*_FUNCTION, "strict", value="yes")),
    Mutation("the same tool twice", DIALOGUES, "duplicate_tool", same_tool_twice),
    Mutation("a type that is none", DIALOGUES, "invalid_schema", _schema({"type": "dict"})),
    Mutation("a pattern that is none", DIALOGUES, "invalid_schema", _schema(
        {"type": "object", "properties": {"a": {"pattern": "("}}})),
    Mutation("parameters are an array", DIALOGUES, "invalid_schema", below(_schema({"type": "array"}), "type")),
    Mutation("a reference to elsewhere", DIALOGUES, "outside_reference", _schema(
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}})),
    Mutation("strict but lax", DIALOGUES, "not_strict", lax),
    Mutation("parallel_tool_calls in a string", ("chat", "preference"), "wrong_type",
             put("parallel_tool_calls", value="no")),
    Mutation("no calls", DIALOGUES, "invalid_tool_call", in_message("assistant", "tool_calls", value=[], calling=True)),
    Mutation("a call of type x", DIALOGUES, "invalid_tool_call", in_message(
        "assistant", *_CALL, "type", value="x", tells="tool_calls[0]", calling=True)),
    Mutation("a call without id", DIALOGUES, "invalid_tool_call", in_message(
        "assistant", *_CALL, "id", value=None, calling=True)),
    Mutation("a call without function", DIALOGUES, "invalid_tool_call", in_message(
        "assistant", *_CALL, "function", value=None, calling=True)),
    Mutation("a key too many in a call", DIALOGUES, "unknown_key", in_message(
        "assistant", *_CALL, "index", value=0, calling=True)),
    Mutation("a call by a bad name", DIALOGUES, "invalid_tool_call", in_message(
        "assistant", *_CALL, "function", "name", value="a b", calling=True)),
    Mutation("arguments as an object", DIALOGUES, "invalid_tool_call", in_message(
        "assistant", *_CALL, "function", "arguments", value={}, calling=True)),
    Mutation("arguments that are no JSON", DIALOGUES, "arguments_not_json", in_message(
        "assistant", *_CALL, "function", "arguments", value="{'a': 1}", calling=True)),
    Mutation("arguments with NaN", DIALOGUES, "arguments_not_json", in_message(
        "assistant", *_CALL, "function", "arguments", value='{"a": NaN}', calling=True)),
    Mutation("arguments that are a list", DIALOGUES, "arguments_not_object", in_message(
        "assistant", *_CALL, "function", "arguments", value="[1]", calling=True)),
    Mutation("arguments that do not fit", DIALOGUES, "arguments_do_not_fit", misfit),
    Mutation("a call of what is not there", DIALOGUES, "undeclared_tool", in_message(
        "assistant", *_CALL, "function", "name", value="not-there-" * 6, calling=True)),
    Mutation("two calls at once", ("chat", "preference"), "parallel_calls", call_at_once),
    Mutation("two calls of one id", DIALOGUES, "duplicate_call_id", call_twice),
    Mutation("a call that nobody answers", DIALOGUES, "unanswered_call", answer_nothing),
    Mutation("an answer to nobody", DIALOGUES, "orphan_answer", in_message("tool", "tool_call_id", value="nobody")),
    Mutation("an answer at the beginning", ("chat", "preference"), "orphan_answer", below(insert(1, {
        "role": "function", "name": "f", "content": "x"}), "name")),
    Mutation("two answers to one call", DIALOGUES, "repeated_answer", answer_twice),
    Mutation("an answer without id", DIALOGUES, "missing_key", in_message("tool", "tool_call_id", remove=True)),
    Mutation("an answer with a number for id", DIALOGUES, "wrong_type", in_message("tool", "tool_call_id", value=5)),
    Mutation("a function without name", ("chat", "preference"), "missing_key", insert(1, {
        "role": "function", "content": "x"})),
    Mutation("a function with parts", ("chat", "preference"), "wrong_type", below(insert(1, {
        "role": "function", "name": "f", "content": [{"type": "text", "text": "x"}]}), "content")),
    *(Mutation(f"{key} is {told}", ("preference",), kind, mutate)
      for key in ("preferred_output", "non_preferred_output") for told, kind, mutate in (
          ("missing", "missing_key", drop(key)),
          ("a message", "wrong_type", top(key, value={"role": "assistant", "content": "x"})),
          ("empty", "not_one_message", top(key, value=[])),
          ("two messages", "not_one_message", top(key, value=[{"role": "assistant", "content": "x"}] * 2)),
          ("the user's", "unknown_role", below(top(key, 0, value={"role": "user", "content": "x"}), "role")),
          ("weighted", "unknown_key", top(key, 0, "weight", value=1)),
          ("silent", "missing_content", top(key, 0, value={"role": "assistant"})))),
    Mutation("outputs are the same", ("preference",), "same_outputs", same_outputs),
    Mutation("no prompt", ("completion",), "missing_key", drop("prompt")),
    Mutation("no completion", ("completion",), "missing_key", drop("completion")),
    Mutation("prompt is a list", ("completion",), "wrong_type", top("prompt", value=[])),
    Mutation("completion is null", ("completion",), "wrong_type", top("completion", value=None)),
    Mutation("completion is empty", ("completion",), "nothing_to_learn", top("completion", value="")),
]
