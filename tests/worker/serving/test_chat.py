"""One chat completion through the official SDK: shapes, determinism, counts, stop strings, refusals."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from .conftest import HELLO, Running, ask, eventually, greedy


def test_greedy_answers_are_those_of_transformers(server: Running, reference: tuple[Any, Any]) -> None:
    assert ask(server, max_tokens=40) == greedy(*reference, 40)


def test_the_object_is_openais(server: Running, reference: tuple[Any, Any]) -> None:
    _, tokenizer = reference
    answer = server.sdk.chat.completions.create(model="tiny", messages=HELLO, max_completion_tokens=7, seed=1)  # type: ignore[arg-type]  # plain dicts
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == "tiny"
    assert answer.system_fingerprint
    choice = answer.choices[0]
    assert (choice.index, choice.message.role, choice.message.refusal, choice.logprobs) == (0, "assistant", None, None)
    assert choice.finish_reason == "length"
    assert answer.usage is not None
    prompt = tokenizer.apply_chat_template(HELLO, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert answer.usage.prompt_tokens == len(prompt)
    assert answer.usage.completion_tokens == 7
    assert answer.usage.total_tokens == len(prompt) + 7


def test_a_seed_gives_the_same_answer_again(server: Running) -> None:
    first, second = (ask(server, temperature=1.2, top_p=0.9, seed=42) for _ in range(2))
    assert first == second
    assert ask(server, temperature=1.2, top_p=0.9, seed=43) != first
    assert ask(server, temperature=1.2, seed=-5) == ask(server, temperature=1.2, seed=-5)


def test_company_does_not_change_answers(server: Running) -> None:
    requests: list[dict[str, Any]] = [
        {"model": model, "temperature": temperature, "seed": seed, "max_tokens": 10 + 7 * seed,
         "messages": [{"role": "user", "content": "Where is my order? " * (seed + 1)}]}
        for seed, (model, temperature) in enumerate(
            [("tiny", 0), ("red", 0), ("green", 1), ("red", 1), ("tiny", 1), ("blue", 0.7), ("green", 0)]
        )
    ]  # fmt: skip
    alone = [ask(server, **request) for request in requests]

    async def together() -> list[str | None]:
        async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            answers = await asyncio.gather(*(client.chat.completions.create(**request) for request in requests))
        return [answer.choices[0].message.content for answer in answers]

    assert asyncio.run(together()) == alone


def test_a_stream_is_the_same_answer_in_pieces(server: Running) -> None:
    options: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 40, "seed": 5}
    whole = server.sdk.chat.completions.create(**options)
    chunks = list(server.sdk.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    assert {(chunk.object, chunk.id) for chunk in chunks} == {("chat.completion.chunk", chunks[0].id)}
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    *before, last, usage = chunks
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason
    assert all(chunk.choices[0].finish_reason is None and chunk.usage is None for chunk in before)
    assert usage.choices == []
    assert usage.usage == whole.usage


def test_a_stream_ends_with_done(server: Running) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 2, "stream": True}
    answer = server.http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in answer.text


@pytest.mark.parametrize("start", [3, 11, 20])
def test_stop_strings_are_never_shown(server: Running, start: int) -> None:
    text = ask(server, max_tokens=40)
    stop = text[start : start + 6]  # longer than most tokens, so it lies across their borders
    expected = text[: text.index(stop)]
    assert ask(server, max_tokens=40, stop=[stop, "never said"]) == expected
    options: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 40, "temperature": 0, "stop": stop}
    chunks = list(server.sdk.chat.completions.create(**options, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_penalties_keep_the_model_from_repeating_itself(server: Running) -> None:
    text = ask(server, max_tokens=40, frequency_penalty=2, presence_penalty=2, logprobs=True)
    assert text != ask(server, max_tokens=40)


def test_logprobs_belong_to_the_tokens_shown(server: Running) -> None:
    answer = server.sdk.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=30, temperature=0, logprobs=True, top_logprobs=3  # type: ignore[arg-type]  # plain dicts
    )  # fmt: skip
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content) == 30
    said = b"".join(bytes(token.bytes or []) for token in logprobs.content)
    assert said.decode(errors="replace") == answer.choices[0].message.content
    for token in logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.logprob == token.top_logprobs[0].logprob <= 0


def test_every_role_and_text_parts_are_understood(server: Running) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Answer "}, {"type": "text", "text": "briefly."}]},
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "annotations": []},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "function", "name": "get_weather", "content": "twelve degrees"},
    ]
    function = {"name": "get_weather", "description": "Tell the weather.", "parameters": {"type": "object"}}
    assert ask(server, messages=messages, tools=[{"type": "function", "function": function}], tool_choice="auto")


def test_parts_and_developer_render_like_plain_text_and_system(server: Running) -> None:
    parts = [{"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]}]
    plain = [{"role": "system", "content": "Be kind."}]
    assert ask(server, messages=parts + HELLO) == ask(server, messages=plain + HELLO)


def test_harmless_parameters_change_nothing(server: Running) -> None:
    harmless = {"user": "u", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "n": 1,
                "parallel_tool_calls": True, "response_format": {"type": "text"}, "tool_choice": "none"}  # fmt: skip
    assert ask(server, extra_body=harmless) == ask(server)


def test_more_than_the_context_is_refused_in_openais_words(server: Running) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(server, messages=[{"role": "user", "content": "order " * 600}])
    assert refused.value.code == "context_length_exceeded"
    assert "This model's maximum context length is 512 tokens." in refused.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        ask(server, max_tokens=10**30)
    assert refused.value.code == "context_length_exceeded"


def test_an_unknown_model_is_not_found(server: Running) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ask(server, model="nobody")
    assert refused.value.code == "model_not_found"


def test_a_caller_who_leaves_stops_the_generation(server: Running) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 450, "temperature": 0, "stream": True}
    whole = server.http.post("/v1/chat/completions", json=body).text
    assert '"finish_reason":"length"' in whole, "left alone, it says 450 tokens"
    eventually(lambda: server.metric("requests_running") == 0)
    before = server.metric("tokens_total")
    with server.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_lines())
    eventually(lambda: server.metric("requests_open") == server.metric("requests_running") == 0)
    assert server.metric("tokens_total") - before < 450
