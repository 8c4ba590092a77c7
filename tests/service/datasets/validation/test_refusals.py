"""What OpenAI's platform is known to refuse is refused here, in its words where they are known."""

import json
from typing import Any

import pytest

from service.datasets.validation.examination import too_few
from service.datasets.validation.formats import FITS, Format, check, detect, format_problem

ASK = {"role": "user", "content": "2+2?"}
TELL = {"role": "assistant", "content": "4"}
CHAT = {"messages": [ASK, TELL]}
PAIR = {"input": {"messages": [ASK]}, "preferred_output": [TELL], "non_preferred_output": [{**TELL, "content": "5"}]}
ITEM = {"messages": [ASK], "answer": "4"}
COMPLETION = {"prompt": "2+2?", "completion": "4"}


@pytest.mark.parametrize(("number", "example", "form", "message"), [
    (100, {"messages": [ASK, {"content": "4"}]}, "chat",
     "Example 100, message 2 Discriminator 'role' is missing in value"),
    (536, {"messages": [ASK, {**TELL, "tools": []}]}, "chat", 'Example 536, message 2 contains an extra "tools".'),
    (536, {"prompt": "a", "completion": "b", "tools": []}, "completion", 'Example 536 contains an extra "tools".'),
    (1, {**CHAT, "weight": 1}, "chat", 'Example 1 contains an extra "weight".'),
    (1, {"prompt": "a", "completion": "b"}, "chat", "Example 1 is missing key 'messages'."),
    (1, {"a": 1}, "reinforcement", "Example 1 is missing key 'messages'."),
    (1, CHAT, "preference", "Example 1 is missing key 'input'."),
])
def test_an_example_is_refused_in_the_same_words(number: int, example: Any, form: Format, message: str) -> None:
    findings = check(json.dumps(example).encode(), number, form)
    assert (message, "error") in [(finding.message, finding.severity) for finding in findings]


def test_what_cannot_be_parsed_is_refused_in_the_same_words() -> None:
    finding = check(b'{"messages": [] "a"}', 1273, "chat")[0]
    assert finding.message.startswith(
        "Example 1273 cannot be parsed. Error: line contains invalid json: Expecting ',' delimiter")


def test_too_few_examples() -> None:
    assert too_few(7) == "Training file has 7 example(s), but must have at least 10 examples"


@pytest.mark.parametrize(("example", "method", "name", "needed"), [
    (CHAT, "dpo", "chat", "supervised"),
    (PAIR, "supervised", "preference", "dpo"),
    (ITEM, "dpo", "reinforcement", "reinforcement"),
    (COMPLETION, "dpo", "completion", "supervised"),
])
def test_a_file_for_another_method_is_refused(example: Any, method: str, name: str, needed: str) -> None:
    assert format_problem(method, detect([json.dumps(example).encode()] * 10), "file-1") == (
        f"Input file file-1 is in the fine-tune-{name} format, but the specified fine-tuning job is not using"
        f" '{needed}' as the training method (provided method={method}).")


def test_a_file_of_something_else_is_refused() -> None:
    assert format_problem("supervised", detect([b'{"text": "4"}']), "file-1") == \
        "Unexpected file format, expected either prompt/completion pairs or chat messages."


@pytest.mark.parametrize(("example", "method"), [(CHAT, "supervised"), (PAIR, "dpo"), (ITEM, "reinforcement"),
                                                 (COMPLETION, "supervised")])
def test_a_file_for_its_method_is_taken(example: Any, method: str) -> None:
    form = detect([json.dumps(example).encode()])
    assert form is not None
    assert form in FITS[method]
    assert format_problem(method, form, "file-1") is None
    assert check(json.dumps(example).encode(), 1, form) == []


@pytest.mark.parametrize(("example", "form", "hint"), [
    ({"prompt": "a", "completion": "b"}, "chat", "tuneworks convert"),
    ({"conversations": []}, "chat", "tuneworks convert"),
    (PAIR, "chat", "'dpo'"),
    (CHAT, "preference", "'supervised'"),
    ({"input": {"messages": [ASK]}, "preferred_completion": [TELL]}, "preference", "preferred_output"),
    ({"prompt": [ASK], "chosen": [TELL], "rejected": [TELL]}, "preference", "TRL"),
    (CHAT, "completion", "chat"),
    ({"messages": [{"role": "system", "content": "x"}, ASK]}, "reinforcement", "developer"),
    ({"messages": [{"from": "human", "value": "x"}]}, "chat", "ShareGPT"),
    ({"messages": [{"role": "gpt", "content": "x"}]}, "chat", "'assistant'"),
])
def test_another_layout_comes_with_what_to_do(example: Any, form: Format, hint: str) -> None:
    assert any(hint in (finding.hint or "") for finding in check(json.dumps(example).encode(), 1, form))
