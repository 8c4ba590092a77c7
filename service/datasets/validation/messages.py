"""The rules of one message, whatever the format it stands in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from service.datasets.validation.contents import check_content, is_plain
from service.datasets.validation.findings import Finding, Place, shown, unknown_keys
from service.datasets.validation.tools import check_calls

_SAID = frozenset({"role", "content", "name"})
_CALLS = frozenset({"tool_calls", "function_call", "refusal", "audio"})


@dataclass(frozen=True, slots=True)
class Cast:
    """Who may speak in a list of messages, and how."""

    roles: tuple[str, ...]
    images: bool = True
    weights: bool = True
    hints: tuple[tuple[str, str], ...] = ()
    "For roles that are not among them: what to write instead."


def check_message(message: Any, at: Place, cast: Cast) -> Iterator[Finding]:
    """What is wrong with one message by itself."""
    if not isinstance(message, dict):
        yield at.error("wrong_type", "is not a dictionary.")
        return
    if "role" not in message:
        yield at.error("missing_role", "Discriminator 'role' is missing in value", _without_role(message))
        return
    role = message["role"]
    if not isinstance(role, str) or role not in cast.roles:
        yield _unknown_role(role, at.inside("role"), cast)
        return
    yield from unknown_keys(message, _keys(role, cast), at)
    if not isinstance(message.get("name", ""), str | None):
        yield at.inside("name").error("wrong_type", "has a 'name' that is not a string.")
    yield from _BY_ROLE.get(role, _said)(message, at, cast)


def _without_role(message: dict[str, Any]) -> str | None:
    if "from" in message and "value" in message:
        return "This is ShareGPT; `tuneworks convert` makes it a chat."
    return None


def _unknown_role(role: Any, at: Place, cast: Cast) -> Finding:
    told = f" '{shown(role)}'" if isinstance(role, str) else ""
    hint = dict(cast.hints).get(role) if isinstance(role, str) else None
    return at.error("unknown_role", f"has an unknown role{told}.", hint or f"Roles are {', '.join(cast.roles)}.")


def _keys(role: str, cast: Cast) -> frozenset[str]:
    return _KEYS_UNWEIGHTED if role == "assistant" and not cast.weights else _KEYS.get(role, _SAID)


_KEYS_UNWEIGHTED = _SAID | _CALLS
_KEYS = {"tool": _SAID | {"tool_call_id"}, "assistant": _KEYS_UNWEIGHTED | {"weight"}}


def _said(message: dict[str, Any], at: Place, cast: Cast) -> Iterator[Finding]:
    """System, developer, user: content and nothing else."""
    if "content" not in message:
        yield at.error("missing_key", "is missing key 'content'.")
    elif is_plain(message["content"]):
        return
    elif message["content"] is None:
        yield at.inside("content").error("wrong_type", "has no content; only an assistant message may have null there.")
    else:
        yield from check_content(message["content"], message["role"], at.inside("content"), images=cast.images)


def _tool(message: dict[str, Any], at: Place, cast: Cast) -> Iterator[Finding]:
    yield from _said(message, at, cast)
    if "tool_call_id" not in message:
        yield at.error("missing_key", "is missing key 'tool_call_id'.", "It names the call that this answers.")
    elif not isinstance(message["tool_call_id"], str):
        yield at.inside("tool_call_id").error("wrong_type", "has a 'tool_call_id' that is not a string.")


def _function(message: dict[str, Any], at: Place, cast: Cast) -> Iterator[Finding]:
    if message.get("name") is None:
        yield at.error("missing_key", "is missing key 'name'.", "A function message names the function it answers for.")
    if isinstance(message.get("content"), list):
        yield at.inside("content").error("wrong_type", "has content that is neither a string nor null.")
    elif message.get("content") is not None or "content" not in message:
        yield from _said(message, at, cast)


def _assistant(message: dict[str, Any], at: Place, cast: Cast) -> Iterator[Finding]:
    content, refusal = message.get("content"), message.get("refusal")
    called = message.get("tool_calls") is not None or message.get("function_call") is not None
    if content is None and not called and refusal is None:
        yield at.error("missing_content", "has neither content nor tool_calls, function_call or refusal.")
    elif content == "" and not called and not refusal:
        yield at.inside("content").warning("empty_content", "is an assistant message with nothing to learn.")
    elif content is not None and not is_plain(content):
        yield from check_content(content, "assistant", at.inside("content"), images=cast.images)
    if not isinstance(refusal, str | None):
        yield at.inside("refusal").error("wrong_type", "has a 'refusal' that is not a string.")
    if message.get("audio") is not None:
        yield at.inside("audio").error("unsupported_content", "holds audio, which cannot be trained on.")
    weight = message.get("weight", 1)
    if cast.weights and (isinstance(weight, bool) or weight not in (0, 1)):
        yield at.inside("weight").error("invalid_weight", "has a 'weight' that is neither 0 nor 1.")
    if called:
        yield from check_calls(message, at)


_BY_ROLE: dict[str, Callable[[dict[str, Any], Place, Cast], Iterator[Finding]]] = {
    "assistant": _assistant, "tool": _tool, "function": _function}
