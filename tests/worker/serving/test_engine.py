"""Rules of the queue and of the slots that cannot be seen from outside without luck."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.serving import bases
from worker.serving.answers import Answer, Done, Event, Failed
from worker.serving.engine import Engine
from worker.serving.lane import Generation, Lane, Waiting
from worker.serving.refusals import Refusal
from worker.serving.registry import Limits, Registry
from worker.serving.sampling import Sampler, Settings

# PEFT asks transformers for names that transformers would rather forget.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def lane(model_path: Path) -> Lane:
    return Lane(bases.load(str(model_path), max_context=512), max_rows=2, max_tokens=1000)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(max_requests=2)
    engine.start()
    yield engine
    engine.stop(within=10)


def generation(
    lane: Lane, events: list[Event], *, group: str = "tiny", limit: int = 5, seconds: float = 60
) -> Generation:
    tokenizer = lane.base.tokenizer
    answer = Answer(tokenizer, ends=frozenset(), limit=limit, stops=(), may_call=False)
    return Generation(group, "__base__", tokenizer.encode("Hello " * 5), limit, Sampler(Settings(seed=1)), answer,
                      time.monotonic() + seconds, events.append)  # fmt: skip


def test_groups_take_turns(lane: Lane) -> None:
    waiting = Waiting()
    for group in ["a", "a", "a", "b", "c"]:
        waiting.add(generation(lane, [], group=group))
    assert [waiting.take().group for _ in range(5)] == ["a", "b", "c", "a", "a"]


def test_rows_and_memory_are_bounded(lane: Lane) -> None:
    events: list[list[Event]] = [[], [], []]
    for seen, limit in zip(events, [5, 5, 900], strict=True):
        lane.add(generation(lane, seen, limit=limit, group=f"limit {limit}"))
    for _ in range(4):
        lane.step()
    assert events[0]
    assert not events[2], "the large one waits until it may run alone"
    while not events[2]:
        lane.step()
    assert isinstance(events[0][-1], Done)
    lane.abandon(Refusal(503, "enough"))
    assert isinstance(events[2][-1], Failed)
    assert lane.is_idle


def test_who_has_left_takes_no_further_step(lane: Lane) -> None:
    staying: list[Event] = []
    left = generation(lane, [], limit=400)
    lane.add(left)
    lane.add(generation(lane, staying, limit=20))
    for _ in range(4):
        lane.step()
    left.is_cancelled = True
    while not lane.is_idle:
        lane.step()
    assert left.row.length < len(left.prompt) + 6
    assert isinstance(staying[-1], Done)


def test_the_deadline_ends_a_request_with_a_refusal(lane: Lane) -> None:
    events: list[Event] = []
    lane.add(generation(lane, events, seconds=-1))
    lane.step()
    assert lane.is_idle
    assert isinstance(events[-1], Failed)
    assert (events[-1].refusal.status, events[-1].refusal.code) == (503, "request_timeout")


def test_too_many_requests_are_told_to_come_back(engine: Engine, lane: Lane) -> None:
    first = generation(lane, [])
    engine.submit(lane, first)
    engine.submit(lane, generation(lane, []))
    with pytest.raises(Refusal) as refused:
        engine.submit(lane, generation(lane, []))
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (503, "engine_overloaded", 1)
    engine.close(first)
    engine.submit(lane, generation(lane, []))


def test_adapters_in_use_are_not_evicted(engine: Engine, model_path: Path, adapter_paths: dict[str, Path]) -> None:
    async def story() -> None:
        registry = Registry(engine, Limits(max_adapters=1))
        await registry.load_model("tiny", str(model_path))
        await registry.load_adapter("red", str(adapter_paths["red"]), None)
        async with registry.using("red"):
            with pytest.raises(Refusal) as refused:
                await registry.load_adapter("blue", str(adapter_paths["blue"]), None)
            assert (refused.value.status, refused.value.code) == (503, "adapters_busy")
            await registry.unload_adapter("red")  # its weights stay until the request in flight ends
            with pytest.raises(Refusal):
                await registry.load_adapter("blue", str(adapter_paths["blue"]), None)
        await registry.load_adapter("blue", str(adapter_paths["blue"]), None)
        assert [card["id"] for card in registry.cards()] == ["tiny", "blue"]

    asyncio.run(story())


def test_one_name_is_loaded_once_for_everyone(engine: Engine, model_path: Path) -> None:
    async def story() -> list[bool]:
        registry = Registry(engine, Limits())
        return await asyncio.gather(*(registry.load_model("tiny", str(model_path)) for _ in range(4)))

    assert asyncio.run(story()).count(True) == 1
