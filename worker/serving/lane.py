"""One base model's queue: fair admission, prompts fed in pieces, and one token a step for every running row."""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

import torch
from transformers import DynamicCache

from .adapters import Adapters
from .answers import Answer, Done, Event, Failed
from .bases import Base
from .batch import Batch, Row, can_mix, fresh_cache
from .refusals import Refusal, not_now
from .sampling import Sampler

log = logging.getLogger(__name__)

PREFILL = 256  # prompt tokens a step, so that a long prompt holds up the running rows only briefly


@dataclass(eq=False)
class Generation:
    """One request on its way through a lane; `deadline` is in seconds of the monotonic clock."""

    group: str
    adapter: str
    prompt: list[int]
    limit: int
    sampler: Sampler
    answer: Answer
    deadline: float
    emit: Callable[[Event], None]
    is_cancelled: bool = False
    row: Row = field(init=False)
    cache: DynamicCache | None = None

    def __post_init__(self) -> None:
        self.row = Row(self.adapter)

    @property
    def size(self) -> int:
        """Tokens this request may come to hold in the cache."""
        return len(self.prompt) + self.limit


class Waiting:
    """First come, first served within a group; groups, which are model names, take turns."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, deque[Generation]] = OrderedDict()

    def add(self, generation: Generation) -> None:
        self._groups.setdefault(generation.group, deque()).append(generation)

    def first(self) -> Generation | None:
        return next(iter(self._groups.values()))[0] if self._groups else None

    def take(self) -> Generation:
        group, queue = self._groups.popitem(last=False)
        generation = queue.popleft()
        if queue:
            self._groups[group] = queue
        return generation

    def remove(self, gone: Callable[[Generation], bool]) -> list[Generation]:
        everyone = list(chain.from_iterable(self._groups.values()))
        removed = [generation for generation in everyone if gone(generation)]
        if removed:
            self._groups.clear()
            for generation in everyone:
                if generation not in removed:
                    self.add(generation)
        return removed

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))


class Lane:
    """Runs on the engine's thread; only `waiting` counts are read from elsewhere."""

    def __init__(self, base: Base, *, max_rows: int, max_tokens: int) -> None:
        self.base = base
        self.adapters = Adapters(base)
        self._batch = Batch(base, self.adapters)
        self._waiting = Waiting()
        self._feeding: Generation | None = None
        self._running: list[Generation] = []
        self._max_rows = max_rows if can_mix(base) else 1
        self._max_tokens = max_tokens

    def add(self, generation: Generation) -> None:
        self._waiting.add(generation)

    @property
    def load(self) -> int:
        """Requests here, running or waiting."""
        return len(self._running) + len(self._waiting) + (self._feeding is not None)

    @property
    def is_idle(self) -> bool:
        return not self.load

    def step(self) -> int:
        """One token for all running rows and one piece of the next prompt; how many tokens that gave."""
        try:
            self._drop()
            return self._decode() + self._feed()
        except Exception:
            log.exception("a forward pass failed; the requests in it are given up")
            self.abandon(Refusal(500, "The model failed while answering.", "server_error", code="engine_failed"))
            return 0

    def abandon(self, why: Refusal) -> None:
        """End every request of this lane."""
        everyone = [*self._running, *filter(None, [self._feeding]), *self._waiting.remove(lambda _: True)]
        self._batch = Batch(self.base, self.adapters)
        self._feeding, self._running = None, []
        for generation in everyone:
            generation.emit(Failed(why))

    def _drop(self) -> None:
        """Let go of requests whose caller has left or whose time is up."""
        now = time.monotonic()

        def is_over(generation: Generation) -> bool:
            return generation.is_cancelled or now > generation.deadline

        over = self._waiting.remove(is_over)
        if self._feeding is not None and is_over(self._feeding):
            over.append(self._feeding)
            self._feeding = None
        over += self._leave({index for index, running in enumerate(self._running) if is_over(running)})
        for generation in over:
            generation.emit(Failed(not_now("The request ran out of time.", code="request_timeout")))

    def _leave(self, gone: set[int]) -> list[Generation]:
        if not gone:
            return []
        left = [generation for index, generation in enumerate(self._running) if index in gone]
        self._running = [generation for generation in self._running if generation not in left]
        self._batch.leave(gone)
        return left

    def _decode(self) -> int:
        if not self._running:
            return 0
        logits = self._batch.decode()
        finished = {index for index, generation in enumerate(self._running) if not _advance(generation, logits[index])}
        self._leave(finished)
        return len(logits)

    def _feed(self) -> int:
        if self._feeding is None:
            self._feeding = self._admit()
        generation = self._feeding
        if generation is None:
            return 0
        assert generation.cache is not None
        fed = generation.row.length
        logits = self._batch.prefill(generation.row, generation.cache, generation.prompt[fed : fed + PREFILL])
        if generation.row.length < len(generation.prompt):
            return 0
        self._feeding = None
        if _advance(generation, logits):
            self._batch.join(generation.row, generation.cache)
            self._running.append(generation)
        generation.cache = None
        return 1

    def _admit(self) -> Generation | None:
        """The next request, once there is a row and memory for it; alone, any request may run."""
        first = self._waiting.first()
        if first is None or len(self._running) >= self._max_rows:
            return None
        longest = max([first.size, *(running.size for running in self._running)])
        if self._running and longest * (len(self._running) + 1) > self._max_tokens:
            return None
        generation = self._waiting.take()
        generation.cache = fresh_cache(self.base)
        return generation


def _advance(generation: Generation, logits: torch.Tensor) -> bool:
    """Choose the next token, tell what it brings, and say whether there is more to come."""
    choice = generation.sampler.choose(logits)
    generation.row.last = choice.token
    events = generation.answer.push(choice)
    for event in events:
        generation.emit(event)
    return not (events and isinstance(events[-1], Done))
