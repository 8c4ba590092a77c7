"""Tokens are counted by the tokenizer that was asked for, or it is said why not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from service.datasets import operations as datasets
from service.datasets.analysis.options import Options
from service.datasets.analysis.report import TokenStats
from service.kit.database import transaction
from service.kit.storage import storage
from service.kit.work import MAX_FAILURES
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import analysed, different, pairs
from tests.worker.tasks.running import work_off
from worker.providers.local.counting import extrapolated
from worker.tasks.counts import sample
from worker.training.base_models import tiny

MODEL = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def base(house: None) -> None:
    """A tiny model under the name of one that the catalog knows."""
    tiny(settings().models_dir / MODEL)


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch, house: None) -> Iterator[None]:
    """What counts as a large file is small."""
    monkeypatch.setenv("TUNEWORKS_COUNT_EXACTLY_BYTES", "30000")
    monkeypatch.setenv("TUNEWORKS_SEGMENT_BYTES", "20000")
    settings.cache_clear()
    yield
    settings.cache_clear()


def create(tenant: Tenant, data: bytes) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", data)}, data={"purpose": "fine-tune"})
    for _ in range(4):
        work_off(tenant)
    identifier: str = answer.json()["id"]
    return identifier


def ask(tenant: Tenant, file_id: str, tokenizer: str) -> dict[str, Any]:
    answer = tenant.client.get(f"/v1/files/{file_id}/validation/tokens", params={"tokenizer": tokenizer})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def counted(tenant: Tenant, file_id: str, tokenizer: str) -> dict[str, Any]:
    assert ask(tenant, file_id, tokenizer)["status"] == "pending"
    assert work_off(tenant) == 1
    return ask(tenant, file_id, tokenizer)


class TestOpenAIsTokenizers:
    @pytest.mark.usefixtures("small_bounds")
    def test_it_counts_what_an_analysis_with_it_would(self, tenant: Tenant) -> None:
        data = different(400)
        file_id = create(tenant, data)
        told = counted(tenant, file_id, "cl100k_base")
        assert (told["status"], told["percent"], told["tokens"]["tokenizer"]) == ("completed", 100.0, "cl100k_base")
        ours = told["tokens"]
        assert (ours["examples"], ours["exact"]) == (400, True)
        with transaction(tenant.scope) as session:
            stats = datasets.token_counts(session, file_id, "cl100k_base")
        assert stats == analysed(data, options=Options(tokenizer="cl100k_base", full=False)).report.tokens
        assert work_off(tenant) == 0


@pytest.mark.usefixtures("base")
class TestBaseModels:
    def test_a_whole_file_is_counted_exactly(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(30))
        told = counted(tenant, file_id, MODEL)
        assert (told["status"], told["problem"]) == ("completed", None)
        tokens = told["tokens"]
        assert (tokens["exact"], tokens["examples"], tokens["messages"]) == (True, 30, 90)
        assert 0 < tokens["trainable"] < tokens["billed"] == tokens["total"]
        assert tokens["percentiles"]["max"] > tokens["percentiles"]["min"] > 20

    @pytest.mark.usefixtures("small_bounds")
    def test_a_large_file_is_sampled(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        data = different(800)
        file_id = create(tenant, data)
        rough = counted(tenant, file_id, MODEL)["tokens"]
        monkeypatch.setenv("TUNEWORKS_COUNT_EXACTLY_BYTES", str(len(data)))
        settings.cache_clear()
        with transaction(tenant.scope) as session:
            session.execute(text("delete from dataset_token_counts"))
        exact = counted(tenant, file_id, MODEL)["tokens"]
        assert (rough["exact"], exact["exact"]) == (False, True)
        for name in ("total", "billed", "trainable", "examples", "messages"):
            assert rough[name] == pytest.approx(exact[name], rel=0.03), name

    def test_other_formats_are_refused_in_words(self, tenant: Tenant) -> None:
        told = counted(tenant, create(tenant, pairs(12)), MODEL)
        assert (told["status"], told["tokens"]) == ("unavailable", None)
        assert told["problem"].startswith("A base model's own tokenizer counts chats only")


class TestWhatCannotBeCounted:
    def test_a_model_that_is_elsewhere_is_told_and_tried_again_later(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(10))
        told = counted(tenant, file_id, "qwen2.5-0.5b-instruct")
        assert told["status"] == "unavailable"
        assert told["problem"].endswith("tuneworks models pull qwen2.5-0.5b-instruct")
        assert work_off(tenant) == 0  # nobody tries it over and over
        with transaction(tenant.scope) as session:
            session.execute(text("update dataset_token_counts set settled_at = now() - interval '2 minutes'"))
        assert ask(tenant, file_id, "qwen2.5-0.5b-instruct")["status"] == "pending"
        assert work_off(tenant) == 1

    def test_a_name_that_nobody_knows_is_told(self, tenant: Tenant) -> None:
        told = counted(tenant, create(tenant, different(10)), "gpt-9")
        assert told["status"] == "unavailable"
        assert "There are: o200k_base, cl100k_base, smollm2-135m-instruct" in told["problem"]

    def test_lost_bytes_are_told(self, tenant: Tenant) -> None:
        file_id = create(tenant, different(10))
        storage().delete_prefix(f"projects/{tenant.project_id}/files")
        assert counted(tenant, file_id, "cl100k_base")["status"] == "failed"

    def test_a_store_that_stays_away_is_told_in_the_end(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        file_id = create(tenant, different(10))
        ask(tenant, file_id, "cl100k_base")
        with monkeypatch.context() as patch:
            patch.setenv("TUNEWORKS_STORAGE_URL", "file:///proc/no/such/place")
            settings.cache_clear()
            work_off(tenant)
            assert ask(tenant, file_id, "cl100k_base")["status"] == "pending"
            with transaction(tenant.scope) as session:
                session.execute(text("update work_items set run_at = now(), failures = :most"), {"most": MAX_FAILURES})
            work_off(tenant)
        settings.cache_clear()
        told = ask(tenant, file_id, "cl100k_base")
        assert told["status"] == "failed"
        assert told["problem"].startswith("The tokens could not be counted: The object store")


@pytest.mark.usefixtures("house")
def test_a_sample_is_of_whole_lines_from_all_of_the_file() -> None:
    lines = [json.dumps({"at": at, "pad": "x" * 1000}).encode() for at in range(10_000)]
    data = b"\n".join(lines) + b"\n"
    storage().write("projects/p/files/sampled", data)
    taken = b"".join(sample("projects/p/files/sampled", len(data), 4 * 1024 * 1024)).splitlines()
    assert set(taken) <= set(lines)
    assert len(taken) == len(set(taken)) > 3_900
    numbers = [json.loads(line)["at"] for line in taken]
    assert numbers[0] == 0
    assert numbers[-1] > 8_000


def test_extrapolation_keeps_what_is_no_amount() -> None:
    part = TokenStats(tokenizer="t", exact=True, total=10, billed=9, trainable=3, uncertain=0, by_role={"assistant": 3},
                      examples=2, messages=4, mean=5.0, percentiles={"max": 6}, histogram=[(16, 2)])
    whole = extrapolated(part, 2.5)
    assert (whole.total, whole.billed, whole.trainable, whole.examples, whole.messages) == (25, 22, 8, 5, 10)
    assert (whole.mean, whole.percentiles, whole.histogram, whole.exact) == (5.0, {"max": 6}, [(16, 5)], False)
