"""Data sets and versions as callers make them, and workers that build them in this process."""

import json
from typing import Any

from tests.fixtures.api import Tenant
from tests.worker.tasks.running import work_off

DATASETS = "/v1/datasets"


def chat(number: int, **more: Any) -> bytes:
    """One good line, unlike those of other numbers."""
    return json.dumps({"messages": [{"role": "user", "content": f"What is {number} + {number}?"},
                                    {"role": "assistant", "content": str(2 * number)}], **more}).encode() + b"\n"


def chats(count: int, *, first: int = 0) -> bytes:
    return b"".join(chat(number) for number in range(first, first + count))


def upload(tenant: Tenant, data: bytes, *, purpose: str = "fine-tune", name: str = "train.jsonl") -> str:
    answer = tenant.client.post("/v1/files", files={"file": (name, data)}, data={"purpose": purpose})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def dataset(tenant: Tenant, name: str = "support", **more: Any) -> str:
    answer = tenant.client.post(DATASETS, json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def ask(tenant: Tenant, dataset_id: str, source: dict[str, Any], **more: Any) -> Any:
    return tenant.client.post(f"{DATASETS}/{dataset_id}/versions", json={"source": source, **more})


def asked(tenant: Tenant, dataset_id: str, data: bytes, **source: Any) -> dict[str, Any]:
    """A version that is asked for and not built yet."""
    answer = ask(tenant, dataset_id, {"type": "file", "file_id": upload(tenant, data), **source})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def work(tenant: Tenant) -> None:
    """Run what is due, and what that makes due."""
    for _ in range(5):
        if not work_off(tenant):
            return


def built(tenant: Tenant, dataset_id: str, data: bytes, **source: Any) -> dict[str, Any]:
    version = asked(tenant, dataset_id, data, **source)
    work(tenant)
    return get(tenant, dataset_id, version["id"])


def get(tenant: Tenant, dataset_id: str, version: str | int, path: str = "") -> dict[str, Any]:
    answer = tenant.client.get(f"{DATASETS}/{dataset_id}/versions/{version}{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def transform(tenant: Tenant, dataset_id: str, version: str, **transformation: Any) -> Any:
    return ask(tenant, dataset_id, {"type": "transformation", "transformation": transformation, "versions": [version]})


def error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])
