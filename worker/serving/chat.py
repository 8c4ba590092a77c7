"""Answers one chat completion, whole or as server-sent events, and stops generating when the caller leaves."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import msgspec

from . import prompts, requests, wire
from .answers import Answer, Done, Event, Failed, Piece
from .bases import Base
from .engine import Engine
from .lane import Generation
from .refusals import Refusal, too_long
from .registry import Registry, Served
from .sampling import Sampler, Settings

DONE = b"data: [DONE]\n\n"


@dataclass
class Conversation:
    """A request that has been admitted: who answers it, where its events arrive, what to release afterwards."""

    request: wire.ChatRequest
    completion: wire.Completion
    generation: Generation
    events: "asyncio.Queue[Event]"
    held: AsyncExitStack
    first: Piece | Done | None = None

    async def started(self) -> None:
        """Wait for the first event, so that what fails before it still has a status of its own."""
        self.first = await self.next()

    async def next(self) -> Piece | Done:
        if self.first is not None:
            event, self.first = self.first, None
            return event
        arrived = await self.events.get()
        if isinstance(arrived, Failed):
            raise arrived.refusal
        return arrived

    def counts(self, done: Done) -> dict[str, Any]:
        return wire.usage(len(self.generation.prompt), done.tokens)


async def begin(request: wire.ChatRequest, registry: Registry, engine: Engine) -> Conversation:
    """Check the request against its model and queue it; whatever can be refused is refused here."""
    async with AsyncExitStack() as held:
        served = await held.enter_async_context(registry.using(request.model))
        assert served.lane is not None
        base = served.lane.base
        # Templates and tokenizers take a second for a few megabytes, which the other requests need not wait for.
        prompt = await asyncio.to_thread(prompts.render, base.tokenizer, request)
        limit = _limit(request, base, len(prompt), registry.limits.default_max_tokens)
        events: asyncio.Queue[Event] = asyncio.Queue()
        generation = _generation(request, served, prompt, limit, registry.limits.answer_within, events)
        engine.submit(served.lane, generation)
        held.callback(engine.close, generation)
        identity = f"chatcmpl-{secrets.token_hex(12)}"
        completion = wire.Completion(identity, int(time.time()), request.model, base.fingerprint)
        return Conversation(request, completion, generation, events, held.pop_all())


def _limit(request: wire.ChatRequest, base: Base, prompt: int, default: int) -> int:
    """How many tokens the answer may have; 400 in OpenAI's words when the context cannot hold it."""
    asked = request.max_completion_tokens if request.max_tokens is None else request.max_tokens
    room = base.context - prompt
    if room < (asked or 1):
        raise too_long(base.context, prompt, asked if room > 0 else None)
    return asked or min(room, default)


def _generation(
    request: wire.ChatRequest, served: Served, prompt: list[int], limit: int, within: float,
    events: "asyncio.Queue[Event]",
) -> Generation:  # fmt: skip
    assert served.lane is not None
    assert served.key is not None
    base, loop = served.lane.base, asyncio.get_running_loop()
    answer = Answer(base.tokenizer, ends=base.stops, limit=limit, stops=requests.stops(request),
                    may_call=prompts.may_call(request))  # fmt: skip

    def emit(event: Event) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.put_nowait, event)

    return Generation(
        group=served.name, adapter=served.key, prompt=prompt, limit=limit, sampler=Sampler(_settings(request)),
        answer=answer, deadline=time.monotonic() + within, emit=emit,
    )  # fmt: skip


def _settings(request: wire.ChatRequest) -> Settings:
    return Settings(
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        seed=request.seed,
        top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
    )


async def whole(conversation: Conversation) -> dict[str, Any]:
    """The `chat.completion` object, once the answer is over."""
    texts: list[str] = []
    logprobs: list[wire.TokenLogprob] | None = [] if conversation.request.logprobs else None
    while isinstance(event := await conversation.next(), Piece):
        texts.append(event.text)
        if logprobs is not None:
            logprobs += event.logprobs or []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts), "refusal": None}
    if event.calls:
        message |= {"content": message["content"] or None, "tool_calls": event.calls}
    choice = {"index": 0, "message": message, "logprobs": wire.logprobs(logprobs), "finish_reason": event.finish}
    return conversation.completion.whole(choice, conversation.counts(event))


async def stream(conversation: Conversation) -> AsyncIterator[bytes]:
    """Server-sent events: the role, the text as it becomes certain, the finish, the usage if asked, `[DONE]`."""
    options = conversation.request.stream_options
    wants_usage = options is not None and bool(options.include_usage)
    empty = {"usage": None} if wants_usage else {}

    def chunk(delta: dict[str, Any], logprobs: dict[str, Any] | None = None, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return _event(conversation.completion.chunk(choice, **empty))

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    try:
        while isinstance(event := await conversation.next(), Piece):
            yield chunk({"content": event.text}, wire.logprobs(event.logprobs))
    except Refusal as refusal:
        # The status line is gone; SDKs raise on an event that holds an error.
        yield _event(refusal.envelope())
        return
    if event.calls:
        numbered = [{"index": at} | msgspec.to_builtins(call) for at, call in enumerate(event.calls)]
        yield chunk({"tool_calls": numbered})
    yield chunk({}, finish=event.finish)
    if wants_usage:
        yield _event(conversation.completion.chunk(None, usage=conversation.counts(event)))
    yield DONE


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(document) + b"\n\n"
