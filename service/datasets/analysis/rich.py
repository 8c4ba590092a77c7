"""The second try of the fast way, for chats: weights, names, calls that are answered, and tools."""

import re
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from service.datasets.analysis.quotes import delimiters
from service.datasets.analysis.shapes import Shape, shape_of
from service.datasets.analysis.toolsets import Toolset, Toolsets
from service.datasets.validation.contents import LONG_TEXT
from service.datasets.validation.schemas import Budget

_ORDER = re.compile(r"[sd]?(u(ct+)*a)*(u(ct+)*[ac])")
_Text = Annotated[str, Meta(min_length=1)]
_Name = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]


class _Said(Struct, forbid_unknown_fields=True, tag_field="role", gc=False):
    content: _Text
    name: _Name | UnsetType = UNSET


class _System(_Said, tag="system"):
    code: ClassVar[str] = "s"


class _Developer(_Said, tag="developer"):
    code: ClassVar[str] = "d"


class _User(_Said, tag="user"):
    code: ClassVar[str] = "u"


class _Tool(Struct, forbid_unknown_fields=True, tag_field="role", tag="tool", gc=False):
    content: _Text
    tool_call_id: _Text


class _Called(Struct, forbid_unknown_fields=True, gc=False):
    name: _Name
    arguments: str


class _Call(Struct, forbid_unknown_fields=True, gc=False):
    id: _Text
    type: Literal["function"]
    function: _Called


class _Assistant(Struct, forbid_unknown_fields=True, tag_field="role", tag="assistant", gc=False):
    content: _Text | UnsetType | None = UNSET
    name: _Name | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET
    tool_calls: Annotated[list[_Call], Meta(min_length=1)] | UnsetType = UNSET


class _Chat(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_System | _Developer | _User | _Tool | _Assistant]
    tools: Raw | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


_ROLES = {"s": "system", "d": "developer", "u": "user"}
_decode = msgspec.json.Decoder(_Chat).decode
_toolsets = Toolsets()


def accept_rich(line: bytes) -> tuple[Shape, list[str]] | None:
    """The shape and the texts of a chat with which certainly nothing is wrong."""
    try:
        chat = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    tools = None if isinstance(chat.tools, UnsetType) else _toolsets.get(bytes(chat.tools))
    if (tools is None and chat.tools is not UNSET) or b"\\u0000" in line or len(line) > LONG_TEXT:
        return None
    heard = _Hearing(tools, Budget.of(line), most=1 if chat.parallel_tool_calls is False else len(line))
    heard.quotes += 2 * (chat.parallel_tool_calls is not UNSET)
    if not all(map(heard.take, chat.messages)) or not _ORDER.fullmatch(heard.order):
        return None
    if not heard.trained[-1] or delimiters(line) != heard.quotes:
        return None
    return shape_of(tuple(heard.roles), tuple(heard.trained)), heard.texts


class _Hearing:
    """Takes message after message, as long as each is certainly right after those before it."""

    def __init__(self, tools: Toolset | None, budget: Budget, *, most: int) -> None:
        self.order = ""
        self.quotes = 4 + tools.quotes if tools else 2
        self.roles: list[str] = ["tools"] if tools else []
        self.texts: list[str] = [tools.text] if tools else []
        self.trained: list[bool] = [False] if tools else []
        self._tools = tools
        self._budget = budget
        self._most_calls = most
        self._called: set[str] = set()
        self._waiting: set[str] = set()

    def take(self, message: _System | _Developer | _User | _Tool | _Assistant) -> bool:
        if isinstance(message, _Tool):
            return self._answer(message)
        if self._waiting:
            return False
        if isinstance(message, _Assistant):
            return self._assistant(message)
        self._say(_ROLES[message.code], message.content, 8 if message.name is UNSET else 12)
        self.order += message.code
        return True

    def _say(self, role: str, text: str, quotes: int, *, trained: bool = False) -> None:
        self.roles.append(role)
        self.texts.append(text)
        self.trained.append(trained)
        self.quotes += quotes

    def _answer(self, message: _Tool) -> bool:
        if message.tool_call_id not in self._waiting:
            return False
        self._waiting.remove(message.tool_call_id)
        self._say("tool", message.content, 12)
        self.order += "t"
        return True

    def _assistant(self, message: _Assistant) -> bool:
        content, calls, learned = message.content, message.tool_calls, message.weight != 0
        quotes = 4 + 4 * (message.name is not UNSET) + 2 * (message.weight is not UNSET)
        if isinstance(content, str):
            self._say("assistant", content, quotes + 4, trained=learned)
        elif isinstance(calls, UnsetType):
            return False
        else:
            self._say("assistant", "", quotes + 2 * (content is None), trained=learned)
        self.order += "a" if isinstance(calls, UnsetType) else "c"
        return isinstance(calls, UnsetType) or self._calls(calls, learned=learned)

    def _calls(self, calls: list[_Call], *, learned: bool) -> bool:
        self.quotes += 2
        if self._tools is None or len(calls) > self._most_calls:
            return False
        for call in calls:
            name, arguments = call.function.name, call.function.arguments
            if call.id in self._called or not self._tools.fits(name, arguments, self._budget):
                return False
            self._called.add(call.id)
            self._waiting.add(call.id)
            self._say("call", f'{{"name":"{name}","arguments":{arguments}}}', 18, trained=learned)
        return True
