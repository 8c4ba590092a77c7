"""Follows one answer token by token: what may be shown, what it says about tools, and when it is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from . import tools, wire
from .bases import Tokenizer
from .refusals import Refusal
from .sampling import Choice
from .text import Detokenizer, Holdback

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Piece:
    """Text that has become certain, with the log-probabilities of its tokens if they were asked for."""

    text: str
    logprobs: list[wire.TokenLogprob] | None


@dataclass(frozen=True)
class Done:
    """The end of an answer; `tokens` counts what was said, without the token that ended it."""

    finish: Finish
    tokens: int
    calls: list[wire.ToolCall] = field(default_factory=list)


@dataclass(frozen=True)
class Failed:
    refusal: Refusal


Event = Piece | Done | Failed


class Answer:
    """Turns chosen tokens into events; `limit` is in tokens, `ends` are the ids that end a turn."""

    def __init__(
        self, tokenizer: Tokenizer, *, ends: frozenset[int], limit: int, stops: Sequence[str], may_call: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._limit = limit
        self._detokenizer = Detokenizer(tokenizer)
        self._stops = Holdback(stops)
        self._calls = Holdback([tools.OPEN] if may_call else [])
        self._call_text = ""
        self._tokens = 0
        self._written = self._shown = 0  # characters
        self._pending: list[tuple[int, wire.TokenLogprob]] = []

    def push(self, choice: Choice) -> list[Event]:
        """The events that one more token brings; the last is `Done` when the answer is over."""
        if choice.token in self._ends:
            return self._end("stop")
        self._tokens += 1
        fresh = self._detokenizer.push(choice.token)
        self._note(choice, fresh)
        events = self._show(self._stops.push(fresh))
        if self._stops.found is not None:
            return events + self._end("stop", cut=True)
        if self._tokens >= self._limit:
            return events + self._end("length")
        return events

    def _note(self, choice: Choice, fresh: str) -> None:
        if choice.logprob is not None:
            # A token counts as shown once the text up to its first character is.
            self._pending.append((self._written, self._logprob(choice)))
        self._written += len(fresh)

    def _show(self, text: str) -> list[Event]:
        if self._calls.found is not None:
            self._call_text += text
            return []
        visible = self._calls.push(text)
        if self._calls.found is not None:
            self._call_text = self._calls.rest()
        return self._piece(visible)

    def _piece(self, text: str) -> list[Event]:
        if not text:
            return []
        self._shown += len(text)
        ready = [noted for start, noted in self._pending if start < self._shown]
        has_logprobs = bool(self._pending)
        self._pending = self._pending[len(ready) :]
        return [Piece(text, ready if has_logprobs else None)]

    def _end(self, finish: Finish, *, cut: bool = False) -> list[Event]:
        events: list[Event] = []
        if not cut:
            rest = self._stops.push(self._detokenizer.flush())
            events += self._show(rest + ("" if self._stops.found else self._stops.rest()))
        if self._calls.found is None:
            return [*events, *self._piece(self._calls.rest()), Done(finish, self._tokens)]
        calls = tools.parse(self._call_text) if finish == "stop" else None
        if calls is None:
            return [*events, *self._piece(tools.OPEN + self._call_text), Done(finish, self._tokens)]
        return [*events, Done("tool_calls", self._tokens, calls)]

    def _logprob(self, choice: Choice) -> wire.TokenLogprob:
        assert choice.logprob is not None
        text, raw = self._spelled(choice.token)
        top = [wire.TopLogprob(spelled, logprob, list(raw_top)) for token, logprob in choice.top
               for spelled, raw_top in [self._spelled(token)]]  # fmt: skip
        return wire.TokenLogprob(text, choice.logprob, list(raw), top)

    def _spelled(self, token: int) -> tuple[str, bytes]:
        """A token as text, with bytes that are no characters written out as `\\xe2`, as OpenAI does."""
        raw = self._tokenizer.bytes_of(token)
        return raw.decode("utf-8", errors="backslashreplace"), raw
