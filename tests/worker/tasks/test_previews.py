"""Previews: what the training code itself would learn, in a process of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from service import commands
from service.kit.storage import storage
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.datasets.making import DATASETS, built, chat, chats, dataset, error, work
from tests.service.jobs.building import BASE
from worker.tasks import previews
from worker.training.base_models import tiny
from worker.training.conversations import parse
from worker.training.rendering import Renderer


@pytest.fixture(scope="module")
def model(house: None) -> Path:
    """The tiny model, where the house looks for its base model."""
    return tiny(settings().models_dir / BASE, seed=7)


def ask(tenant: Tenant, of: str, **body: Any) -> dict[str, Any]:
    path = f"{DATASETS}/{of}/versions/1/previews"
    answer = tenant.client.post(path, json={"model": BASE, **body})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "pending"
    work(tenant)
    return dict(tenant.client.get(f"{path}/{answer.json()['id']}").json())


@pytest.fixture
def of(tenant: Tenant) -> str:
    return dataset(tenant)


def test_without_the_model_on_this_machine_it_says_what_to_do(tenant: Tenant, of: str,
                                                             monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNEWORKS_MODELS_DIR", str(tmp_path))
    settings.cache_clear()
    built(tenant, of, chats(3))
    told = ask(tenant, of)
    monkeypatch.undo()
    settings.cache_clear()
    assert told["status"] == "failed"
    assert f"`tuneworks models pull {BASE}`" in told["error"]


def test_runs_are_what_training_learns(tenant: Tenant, of: str, model: Path) -> None:
    weighted = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "No", "weight": 0},
                             {"role": "user", "content": "And?"}, {"role": "assistant", "content": "Yes, ünï."}]}
    built(tenant, of, chats(1) + b"\n" + json.dumps(weighted).encode() + b"\n")
    told = ask(tenant, of, lines=[3, 1, 3])
    assert (told["status"], told["error"], told["lines"]) == ("completed", None, [1, 3])
    renderer = Renderer(AutoTokenizer.from_pretrained(model), context_length=8192)
    for shown, line in zip(told["examples"], (chat(0), json.dumps(weighted).encode()), strict=True):
        example = renderer.example(parse(json.loads(line)))
        assert (shown["tokens"], shown["trained_tokens"], shown["truncated"]) == \
            (len(example.input_ids), example.learned_tokens, False)
        assert sum(run["tokens"] for run in shown["runs"] if run["trained"]) == example.learned_tokens
        assert "".join(run["text"] for run in shown["runs"]) == renderer.text(parse(json.loads(line)))[0]
    trained = [run["text"] for run in told["examples"][1]["runs"] if run["trained"]]
    assert trained == ["Yes, ünï.<|im_end|>"]


@pytest.mark.usefixtures("model")
def test_lines_that_cannot_be_shown_say_why_and_hold_up_no_other(tenant: Tenant, of: str) -> None:
    bad = [b"{}", b'{"messages": [{"role": "user", "content": "a\\u0000b"}, {"role": "assistant", "content": "c"}]}',
           b"[" * 5000, b"\xff", b'{"messages": [{"role": "assistant", "content": "\\ud800"}]}']
    built(tenant, of, chats(1) + b"\n".join(bad) + b"\n" + chats(1))
    told = ask(tenant, of, limit=20)
    assert (told["status"], len(told["examples"])) == ("completed", 7)
    assert [each["line"] for each in told["examples"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [each["error"] is None for each in told["examples"]][::6] == [True, True]
    assert told["examples"][1]["error"].startswith("This line cannot be trained on: ")


@pytest.mark.usefixtures("model")
def test_lines_beyond_the_end_are_told(tenant: Tenant, of: str) -> None:
    built(tenant, of, chats(3))
    assert ask(tenant, of, lines=[9])["error"] == "The version has no line 9: it ends before."


def test_a_model_that_nobody_has_is_told(tenant: Tenant, of: str) -> None:
    built(tenant, of, chats(3))
    assert "There is no model 'ft:unknown' in this project" in ask(tenant, of, model="ft:unknown")["error"]


def test_bytes_that_are_gone_are_told(tenant: Tenant, of: str, model: Path) -> None:
    version = built(tenant, of, chats(3))
    storage().delete(f"projects/{tenant.project_id}/files/{version['file_id']}")
    assert "gone from the object store" in ask(tenant, of)["error"]


@pytest.mark.usefixtures("model")
def test_a_process_that_dies_is_tried_again(tenant: Tenant, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built(tenant, of, chats(3))
    with monkeypatch.context() as patch:
        patch.setattr(commands, "preview", lambda directory: ["false", directory])
        assert ask(tenant, of)["status"] == "pending"


def test_a_long_line_and_a_short_one_are_found_in_chunks_cut_anywhere(tenant: Tenant) -> None:
    class Quiet:
        def advance(self, marker: object) -> None:
            pass

    data = b"a\n\n" + b"b" * 1000 + b"\nlast"
    for size in (1, 3, 7, 5000):
        chunks = [data[at:at + size] for at in range(0, len(data), size)]
        found = dict(previews._numbered(chunks, frozenset({1, 3, 4, 9}), Quiet()))  # type: ignore[arg-type]
        assert found == {1: b"a", 3: b"b" * 1000, 4: b"last"}


@pytest.mark.parametrize("body", [
    {"lines": []}, {"lines": [0]}, {"lines": [-1]}, {"lines": ["1"]}, {"lines": [2**60]}, {"lines": [1] * 21},
    {"limit": 0}, {"limit": 21}, {"model": ""}, {"model": "a\x00"}, {"model": 5}, {"colour": "red"}])
def test_bodies_that_make_no_sense_are_refused(tenant: Tenant, of: str, body: dict[str, Any]) -> None:
    built(tenant, of, chats(1))
    refused = tenant.client.post(f"{DATASETS}/{of}/versions/1/previews", json={"model": BASE, **body})
    assert error(refused, 400)


def test_a_version_that_is_not_ready_has_none(tenant: Tenant, of: str) -> None:
    built(tenant, of, chats(1), shape="nonsense")
    refused = tenant.client.post(f"{DATASETS}/{of}/versions/1/previews", json={"model": BASE})
    assert error(refused, 409)["code"] == "version_not_ready"
