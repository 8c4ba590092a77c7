"""The rules between messages: their order, and that calls and answers belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from service.datasets.validation.findings import Finding, Place, shown
from service.datasets.validation.schemas import Budget, Costly
from service.datasets.validation.tools import Declared

_INSTRUCTIONS = ("system", "developer")


def check_order(roles: Sequence[Any], place: Place) -> Iterator[Finding]:
    """What is unusual about who speaks when."""
    instructed = spoken = False
    before = None
    for index, role in enumerate(roles):
        if role in _INSTRUCTIONS:
            if spoken:
                yield place.message(index).warning(
                    "late_instructions", f"is a {role} message that comes after others have spoken.",
                    "Models are used with it at the beginning; put it there.")
            elif instructed:
                yield place.message(index).warning(
                    "several_instructions", f"is a second {role} message at the beginning.", "Join them to one.")
            instructed = True
        else:
            spoken = True
        if role == before and role in ("user", "assistant"):
            yield place.message(index).info("repeated_role", f"is the second {role} message in a row.")
        before = role


@dataclass(slots=True)
class Calls:
    """Follows the calls through a list of messages and their answers."""

    declared: Declared
    place: Place
    budget: Budget
    in_parallel: bool = True
    _open: dict[str, Place] = field(default_factory=dict)
    "Ids of the last assistant message that nobody has answered yet."
    _answered: set[str] = field(default_factory=set)
    _ever: set[str] = field(default_factory=set)
    _function: str | None = None
    "The function that was called in the older way by the message before."
    _are_unknown: bool = False

    def check(self, messages: list[Any], *, goes_on: bool = False) -> Iterator[Finding]:
        """All findings. `goes_on` when an answer of the assistant follows the last message."""
        for index, message in enumerate(messages):
            if isinstance(message, dict):
                yield from self._take(message, self.place.message(index))
        if goes_on and isinstance(messages[-1], dict) and messages[-1].get("role") == "tool":
            yield from self._left()

    def _take(self, message: dict[str, Any], at: Place) -> Iterator[Finding]:
        role = message.get("role")
        if role == "tool":
            yield from self._answer(message.get("tool_call_id"), at)
        elif role == "function":
            yield from self._older_answer(message.get("name"), at)
        else:
            if self._open:
                yield from self._left()
            self._function = None
            self._answered = set()
            if role == "assistant" and (message.get("tool_calls") or message.get("function_call")):
                yield from self._call(message, at)

    def _answer(self, call_id: Any, at: Place) -> Iterator[Finding]:
        if not isinstance(call_id, str):  # told by the rules of the message
            self._open.clear()
        elif call_id in self._open:
            del self._open[call_id]
            self._answered.add(call_id)
        elif call_id in self._answered:
            yield at.inside("tool_call_id").warning(
                "repeated_answer", f"answers the call '{shown(call_id)}' once more.", "One answer for each call.")
        else:
            yield at.inside("tool_call_id").error(
                "orphan_answer", f"answers the call '{shown(call_id)}', which the assistant message before it does not"
                " make.", "A tool message follows the assistant message whose call it answers.")

    def _older_answer(self, name: Any, at: Place) -> Iterator[Finding]:
        if isinstance(name, str) and name != self._function:
            yield at.inside("name").error(
                "orphan_answer", f"answers the function '{shown(name)}', which the assistant message before it does not"
                " call.", "A function message follows the assistant message whose function_call it answers.")

    def _left(self) -> Iterator[Finding]:
        for call_id, at in self._open.items():
            yield at.error("unanswered_call", f"makes the call '{shown(call_id)}', which no tool message answers before"
                                              " the next turn.", "Add a message of role 'tool' with its tool_call_id.")
        self._open = {}

    def _call(self, message: dict[str, Any], at: Place) -> Iterator[Finding]:
        calls = message.get("tool_calls")
        calls = calls if isinstance(calls, list) else []
        if len(calls) > 1 and not self.in_parallel:
            yield at.inside("tool_calls").warning(
                "parallel_calls", f"makes {len(calls)} calls at once, though 'parallel_tool_calls' is false.",
                "Make one call in a message, or leave 'parallel_tool_calls' away.")
        for index, call in enumerate(calls):
            if isinstance(call, dict):
                place = at.inside("tool_calls").inside(index)
                yield from self._identify(call.get("id"), place)
                yield from self._fit(call.get("function"), place.inside("function"))
        self._ever.update(self._open)
        if isinstance(older := message.get("function_call"), dict):
            self._function = older.get("name") if isinstance(older.get("name"), str) else None
            yield from self._fit(older, at.inside("function_call"))

    def _identify(self, call_id: Any, at: Place) -> Iterator[Finding]:
        if not isinstance(call_id, str):
            return
        if call_id in self._open:
            yield at.inside("id").error("duplicate_call_id", f"makes two calls with the id '{shown(call_id)}'.",
                                        "Answers could not be told apart.")
        elif call_id in self._ever:
            yield at.inside("id").info("reused_call_id", f"uses the id '{shown(call_id)}' of an earlier call again.")
        self._open[call_id] = at

    def _fit(self, function: Any, at: Place) -> Iterator[Finding]:
        """Whether the call fits what was declared."""
        if not isinstance(function, dict):
            return
        name, text = function.get("name"), function.get("arguments")
        if isinstance(name, str):
            yield from self._known(name, at.inside("name"))
        if isinstance(text, str):
            yield from self._arguments(name, text, at.inside("arguments"))

    def _known(self, name: str, at: Place) -> Iterator[Finding]:
        if not self.declared.functions:
            if not self._are_unknown:
                self._are_unknown = True
                yield at.info("no_tools_declared", "calls a tool, but the example declares none.",
                              "With 'tools' the model learns when to call which.")
        elif name not in self.declared.functions:
            yield at.warning("undeclared_tool", f"calls '{shown(name)}', which 'tools' does not declare.",
                             "Declare it, or the model learns to call what is not there.")

    def _arguments(self, name: Any, text: str, at: Place) -> Iterator[Finding]:
        try:
            arguments = msgspec.json.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield at.warning("arguments_not_json", "has a call whose 'arguments' are not valid JSON.",
                             "The model learns to write what stands there.")
            return
        if not isinstance(arguments, dict):
            yield at.warning("arguments_not_object", "has a call whose 'arguments' are not a JSON object.",
                             'Arguments come by name: {"city": "Paris"}; without any, they are {}.')
            return
        parameters = self.declared.functions.get(name) if isinstance(name, str) else None
        if parameters is None:
            return
        try:
            refusal = parameters.refusal(arguments, len(text), self.budget)
        except Costly:
            yield at.info("unchecked_arguments", f"has arguments of '{shown(name)}' that would take too long to check"
                                                 " against its parameters.")
            return
        if refusal is not None:
            yield at.warning("arguments_do_not_fit", f"has arguments that the parameters of '{shown(name)}' do not"
                                                     f" allow: {refusal}", "The model learns to write such calls.")
