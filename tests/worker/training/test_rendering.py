"""The learned tokens are what the model says itself, and nothing else, whatever the template looks like."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from worker.training.conversations import parse
from worker.training.rendering import IGNORED, Renderer, render_all

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (
    "{{ '<|endoftext|>' }}{% for m in messages %}"
    "{{ '<|im_start|>' ~ m.role ~ '<|im_start|>\n\n' ~ (m.content | trim) ~ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_start|>\n\n' }}{% endif %}"
)
# Reasoning is told for the last turn only, as Qwen 3 does: earlier turns look different once others follow.
QWEN = (
    "{% if tools %}{{ '<|im_start|>system\n' }}{% for t in tools %}{{ t | tojson }}{% endfor %}{{ '<|im_end|>\n' }}"
    "{% endif %}{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ '\n<call>' ~ (c.function | tojson) ~ '</call>' }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Two messages make a pair, half a chat is refused, and there is no generation prompt.
PAIRS = (
    "{% if messages | length % 2 %}{{ raise_exception('Pairs, please.') }}{% endif %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' ~ m.content ~ ' [/INST]' }}"
    "{% else %}{{ ' ' ~ m.content ~ '<|im_end|>' }}{% endif %}{% endfor %}"
)
OPEN_END = "{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\n' }}{% endfor %}"
LEFT_OUT = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"

TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": "On its way. ünï"},
    {"role": "user", "content": "Thank you"},
    {"role": "assistant", "content": "Hello\n\n"},
]


def renderer(model: Path, template: str, *, context_length: int = 512) -> Renderer:
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = template
    return Renderer(tokenizer, context_length=context_length)


def learned(rendered_by: Renderer, messages: list[dict[str, Any]], **rest: Any) -> list[str]:
    text, spans = rendered_by.text(parse({"messages": messages, **rest}))
    return [text[slice(*span)] for span in spans]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (SMOLLM2, ["On its way. ünï<|im_end|>", "Hello\n\n<|im_end|>"]),
        (LLAMA, ["On its way. ünï<|im_end|>", "Hello<|im_end|>"]),
        (QWEN, ["On its way. ünï<|im_end|>", "<think>\n\n</think>\n\nHello\n\n<|im_end|>"]),
        (PAIRS, ["On its way. ünï<|im_end|>", "Hello\n\n<|im_end|>"]),
        (OPEN_END, ["assistant: On its way. ünï\n", "assistant: Hello\n\n\n"]),
        (LEFT_OUT, []),
    ],
    ids=["SmolLM2", "Llama", "Qwen", "pairs", "open end", "left out"],
)
def test_an_answer_is_learned_with_its_end_of_turn(tiny_model: Path, template: str, said: list[str]) -> None:
    assert learned(renderer(tiny_model, template), TURNS) == said


@pytest.mark.parametrize("template", [SMOLLM2, LLAMA, QWEN, PAIRS])
def test_weight_zero_is_context_only(tiny_model: Path, template: str) -> None:
    turns = [TURNS[0], TURNS[1] | {"weight": 0}, *TURNS[2:]]
    every, some = (learned(renderer(tiny_model, template), messages) for messages in (TURNS, turns))
    assert some == every[1:]


@pytest.mark.parametrize("template", [SMOLLM2, LLAMA, QWEN])
def test_the_model_reads_at_inference_what_stands_before_the_learned_part(tiny_model: Path, template: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = template
    prompt = tokenizer.apply_chat_template(TURNS[:3], tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    example = Renderer(tokenizer, context_length=512).example(parse({"messages": TURNS}))
    assert example.input_ids[: len(ids)] == ids
    assert example.labels[len(ids) - 1 : len(ids) + 1] == [IGNORED, example.input_ids[len(ids)]]


def test_the_labels_are_the_learned_tokens_and_no_others(tiny_model: Path) -> None:
    by = renderer(tiny_model, SMOLLM2)
    example = by.example(parse({"messages": TURNS}))
    assert all(label in {IGNORED, token} for token, label in zip(example.input_ids, example.labels, strict=True))
    sample = by.sample(example)
    assert "<|im_start|>assistant\n⟦On its way. ünï<|im_end|>⟧\n<|im_start|>user" in sample
    assert sample.count("⟦") == 2


def test_tools_and_calls_are_rendered_and_learned(tiny_model: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "where", "arguments": '{"order": 5}'}}
    turns: list[dict[str, Any]] = [
        TURNS[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "Rome"},
        {"role": "assistant", "content": "In Rome."},
    ]
    tools = [{"type": "function", "function": {"name": "where"}}]
    said = learned(renderer(tiny_model, QWEN), turns, tools=tools)
    assert said[0] == '\n<call>{"name": "where", "arguments": {"order": 5}}</call><|im_end|>'
    assert "In Rome." in said[1]
    said = learned(renderer(tiny_model, SMOLLM2), turns, tools=tools)
    assert said[0] == '<tool_call>{"name": "where", "arguments": {"order": 5}}</tool_call><|im_end|>'


def test_an_empty_answer_still_ends_its_turn(tiny_model: Path) -> None:
    for template in (SMOLLM2, PAIRS):
        said = learned(renderer(tiny_model, template), [TURNS[0], {"role": "assistant", "content": ""}])
        assert said[0].strip() == "<|im_end|>"


def test_what_lies_beyond_the_context_is_cut_off_at_the_end(tiny_model: Path) -> None:
    whole = renderer(tiny_model, SMOLLM2).example(parse({"messages": TURNS}))
    cut = renderer(tiny_model, SMOLLM2, context_length=40).example(parse({"messages": TURNS}))
    assert not whole.was_truncated
    assert cut.was_truncated
    assert (cut.input_ids, cut.labels) == (whole.input_ids[:40], whole.labels[:40])


def test_examples_with_nothing_to_learn_are_skipped_and_counted(tiny_model: Path) -> None:
    chats = [parse({"messages": turns}) for turns in (TURNS, TURNS[:1], [TURNS[0], TURNS[1] | {"weight": 0}])]
    examples, skipped = render_all(renderer(tiny_model, SMOLLM2), enumerate(chats), between=lambda: None)
    assert (len(examples), skipped) == (1, 2)


def test_a_chat_that_the_template_refuses_is_named_by_its_line(tiny_model: Path) -> None:
    chats = [(7, parse({"messages": TURNS[:1]}))]
    with pytest.raises(ValueError, match=r"Line 7: .*Pairs, please"):
        render_all(renderer(tiny_model, PAIRS), chats, between=lambda: None)
