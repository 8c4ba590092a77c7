"""The demo shows its pre-flight in a few lines, and afterwards what it promised beside what was trained."""

from typing import Any

import pytest

from service.catalog import operations as catalog
from service.catalog.durations import Device
from service.kit.database import NOBODY, transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.worker.tasks.test_preflights import ask, upload, work_until_done
from worker.demo.__main__ import METHOD, MODEL
from worker.demo.dataset import path
from worker.demo.forecast import predicted_and_trained, preflight_lines
from worker.training.base_models import tiny


@pytest.fixture
def told(tenant: Tenant) -> dict[str, Any]:
    """The pre-flight of the demo's own job, on a machine of some size, by a tiny model under the demo's name."""
    tiny(settings().models_dir / MODEL)
    with transaction(NOBODY) as session:
        catalog.note_machine(session, "desk", Device("cpu", "8 cores", 32 * 2**30, cores=8, gflops=200), devices=1)
    files = [upload(tenant, path(part).read_bytes()) for part in ("train", "validation")]
    made = ask(tenant, model=MODEL, training_file=files[0], validation_file=files[1], method=METHOD)
    return work_until_done(tenant, made["id"])


def test_its_job_gets_an_exact_promise(told: dict[str, Any]) -> None:
    lines = preflight_lines(told)
    tokens = told["candidates"][0]["billed_tokens"]
    assert tokens["low"] == tokens["high"] > 0, "counted by the model's own tokenizer, template and mask"
    assert lines[0] == f"verdict {told['verdict']}: 144 examples, {tokens['low']:,} tokens in 2 epochs"
    assert lines[1].startswith("time ")
    assert "32.0 GiB on 8 cores" in lines[2]
    assert told["verdict"] in {"go", "warn"}
    assert predicted_and_trained(told, tokens["low"]) == (
        f"predicted {tokens['low']:,} tokens, trained {tokens['low']:,} tokens")


def test_what_is_not_known_is_left_out() -> None:
    nothing: dict[str, Any] = {"verdict": None, "status": "pending", "reasons": [], "training_file": {"examples": None},
                               "candidates": [dict.fromkeys(("billed_tokens", "duration", "memory", "epochs"))]}
    assert preflight_lines(nothing) == ["verdict pending: no examples"]
    assert predicted_and_trained(nothing, 7) == "predicted no tokens, trained 7 tokens"
