"""What a row of a known layout says, as an example: Alpaca, ShareGPT, messages, preference pairs, prompt and answer."""

import json
from collections.abc import Callable
from typing import Any

from service.datasets.conversion.containers import Row
from service.datasets.conversion.examples import Example, Unconvertible, Verbatim, calls_of, own, tools_of, written
from service.datasets.conversion.mending import mended

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
          "bot": "assistant", "model": "assistant", "system": "system", "developer": "developer", "tool": "result",
          "function_call": "call", "tool_call": "call", "observation": "result", "function_response": "result",
          "tool_response": "result"}
_TALKS = ("conversations", "conversation", "messages", "dialog")
_ANSWERS = ("completion", "response", "answer", "output")
PAIR = ("input", "preferred_output", "non_preferred_output")


def text(value: Any, name: str, *, empty: bool = False) -> str:
    """A text of a row. Raises Unconvertible."""
    if not isinstance(value, str):
        raise Unconvertible(f"'{name}' is not a text")
    if not empty and not value.strip():
        raise Unconvertible(f"'{name}' is empty")
    return value


def alpaca(row: Row) -> Example:
    """instruction, input and output; system and history (pairs of earlier turns) where they are."""
    asked = text(row.get("instruction"), "instruction", empty=True)
    more = row.get("input")
    question = "\n\n".join(each for each in (asked, text(more, "input", empty=True) if more else "") if each)
    messages = _system(row.get("system"))
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise Unconvertible("'history' is not a list of pairs")
    for before, answer in history:
        messages += [_said("user", text(before, "history")), _said("assistant", text(answer, "history"))]
    return {"messages": [*messages, _said("user", text(question, "instruction")),
                         _said("assistant", text(row.get("output"), "output"))]}


def sharegpt(row: Row) -> Example:
    """Turns of {from, value} or {role, content}, with calls, observations and declared tools."""
    talk = _talk(row)
    return _with_tools({"messages": [*_system(row.get("system"), talk), *talk]}, row)


def sharegpt_preference(row: Row) -> Example:
    """The same with one `chosen` and one `rejected` turn behind it."""
    talk = _talk(row)
    return _pair([*_system(row.get("system"), talk), *talk], _turns([row.get("chosen")], "chosen"),
                 _turns([row.get("rejected")], "rejected"), row)


def preference(row: Row) -> Example:
    """chosen and rejected as texts or whole chats; what both begin with is the prompt, unless `prompt` names it."""
    chosen, rejected = (_answer(row, name) for name in ("chosen", "rejected"))
    asked = _json(row.get("prompt"))
    if isinstance(asked, str):
        prompt = [_said("user", text(asked, "prompt"))]
    elif isinstance(asked, list):
        prompt = _turns(asked, "prompt")
    else:
        shared = 0
        while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
            shared += 1
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    if prompt and chosen[:len(prompt)] == prompt == rejected[:len(prompt)]:
        chosen, rejected = chosen[len(prompt):], rejected[len(prompt):]
    if not prompt:
        raise Unconvertible("no prompt: chosen and rejected have no beginning in common")
    return _pair([*_system(row.get("system"), prompt), *prompt], chosen, rejected, row)


def messages(row: Row) -> Example:
    """OpenAI's own messages in a container that is not JSON Lines, or with keys beside them that mean nothing here."""
    talk = _json(row.get("messages"))
    if not isinstance(talk, list) or not talk:
        raise Unconvertible("'messages' is not a list of messages")
    if not all(isinstance(turn, dict) and "role" in turn for turn in talk):
        return sharegpt(row)
    example: Example = {"messages": [*_system(row.get("system"), talk), *mended(talk)]}
    if (tools := tools_of(row.get("tools"))) is not None:
        example["tools"] = tools
    if row.get("functions"):
        example["functions"] = own(row["functions"])
    if row.get("parallel_tool_calls") is not None:
        example["parallel_tool_calls"] = own(row["parallel_tool_calls"])
    return example


def openai_preference(row: Row) -> Example:
    """OpenAI's own pairs in a container that is not JSON Lines; in a table each column holds the text of its JSON."""
    return {name: own(row.get(name)) for name in PAIR}


def prompt_completion(row: Row) -> Example:
    """A prompt (a text or messages) and what follows it."""
    name = next((each for each in _ANSWERS if each in row), "completion")
    asked, answer = _json(row.get("prompt")), _json(row.get(name))
    before = _turns(asked, "prompt") if isinstance(asked, list) else [_said("user", text(asked, "prompt"))]
    after = _turns(answer, name) if isinstance(answer, list) else [_said("assistant", text(answer, name))]
    return _with_tools({"messages": [*_system(row.get("system"), before), *before, *after]}, row)


LAYOUTS: dict[str, Callable[[Row], Example]] = {
    "alpaca": alpaca, "sharegpt": sharegpt, "sharegpt_preference": sharegpt_preference, "preference": preference,
    "messages": messages, "prompt_completion": prompt_completion, "openai_preference": openai_preference}


def layout_of(row: Row) -> str | None:
    """The layout whose keys a row has; a table has every key in every row, so those without a value count last."""
    return _layout({name for name, value in row.items() if value is not None}) or _layout(set(row))


def _layout(names: set[str]) -> str | None:
    talks, pairs = not names.isdisjoint(_TALKS[:2]), names >= {"chosen", "rejected"}
    found = (("openai_preference", names >= set(PAIR[:2])),
             ("sharegpt_preference", talks and pairs), ("preference", pairs), ("sharegpt", talks),
             ("messages", "messages" in names), ("alpaca", names >= {"instruction", "output"}),
             ("prompt_completion", "prompt" in names and not names.isdisjoint(_ANSWERS)))
    return next((name for name, fits in found if fits), None)


def _talk(row: Row) -> list[Example]:
    turns = next((row[name] for name in _TALKS if row.get(name) is not None), None)
    turns = _json(turns)
    if not isinstance(turns, list) or not turns:
        raise Unconvertible("no turns")
    return _turns(turns, "conversations")


def _turns(turns: list[Any], name: str) -> list[Example]:
    """OpenAI's messages from turns; ids of calls are counted through the example, so they are the same each time."""
    made: list[Example] = []
    for turn in turns:
        if isinstance(turn, str) and len(turns) == 1:
            turn = {"role": "assistant", "content": turn}  # noqa: PLW2901 - an answer without its wrapping
        if not isinstance(turn, dict):
            raise Unconvertible(f"a turn of '{name}' is not an object")
        if "role" in turn and ("tool_calls" in turn or "tool_call_id" in turn):
            made.append(turn)
            continue
        message = _message(turn, name)
        if "tool_calls" in message and made and made[-1].get("tool_calls"):
            made[-1]["tool_calls"] += message["tool_calls"]
        else:
            made.append(message)
    return mended(made)


def _message(turn: Example, name: str) -> Example:
    role = _ROLES.get(str(turn.get("from", turn.get("role"))).lower())
    said = turn.get("value", turn.get("content"))
    if role is None:
        raise Unconvertible(f"a turn of '{name}' by nobody known")
    if role == "call":
        return {"role": "assistant", "tool_calls": calls_of(said)}
    if role == "result":
        return _said("tool", said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))
    return _said(role, text(said, name, empty=True))


def _answer(row: Row, name: str) -> list[Example]:
    value = _json(row.get(name))
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, str):
        return [_said("assistant", text(value, name))]
    if not isinstance(value, list) or not value:
        raise Unconvertible(f"'{name}' is neither a text nor a chat")
    return _turns(value, name)


def _pair(prompt: list[Example], chosen: list[Example], rejected: list[Example], row: Row) -> Example:
    for name, answer in (("chosen", chosen), ("rejected", rejected)):
        if len(answer) != 1 or answer[0].get("role") != "assistant":
            raise Unconvertible(f"'{name}' is not one answer of the assistant")
    told = _with_tools({"messages": prompt}, row)
    return {"input": Verbatim(written(told)), "preferred_output": chosen, "non_preferred_output": rejected}


def _with_tools(example: Example, row: Row) -> Example:
    tools = tools_of(row.get("tools") or row.get("functions"))
    return example if tools is None else {**example, "tools": tools}


def _system(content: Any, talk: list[Example] | None = None) -> list[Example]:
    """The system message that a row names beside its turns, unless they begin with one."""
    if not content or (talk and talk[0].get("role") in {"system", "developer"}):
        return []
    return [_said("system", text(content, "system"))]


def _said(role: str, content: str) -> Example:
    return {"role": role, "content": content}


def _json(value: Any) -> Any:
    """Lists that stand in a table as their JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
