"""A version under review, as the other parts of the house leave it: a file in the store, its columns, its rows."""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.datasets.operations.places import columns_key
from service.datasets.tables import Report
from service.datasets.tables.versions import Dataset, DatasetVersion
from service.files.contents import file_key
from service.files.tables import File
from service.kit.database import NOBODY, transaction
from service.kit.identifiers import new_id
from service.kit.storage import storage
from service.tenants import operations as tenants
from service.tenants import queries as tenant_queries
from service.tenants.keys import key_hash
from tests.fixtures.api import Tenant, client_with
from tests.worker.tasks.running import work_off


def example(number: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Question {number}?"},
                         {"role": "assistant", "content": f"Answer {number}."}]}


@dataclass(frozen=True)
class Reviewed:
    """A version of a data set, with clients of its project's people."""

    tenant: Tenant
    dataset_id: str
    version_id: str
    file_id: str

    @property
    def url(self) -> str:
        return f"/v1/datasets/{self.dataset_id}/versions/{self.version_id}/reviews"

    def review(self, **body: Any) -> dict[str, Any]:
        """A review that was asked for and prepared."""
        answer = self.tenant.client.post(self.url, json=body)
        assert answer.status_code == 200, answer.text
        work_off(self.tenant)
        found: dict[str, Any] = self.tenant.client.get(f"{self.url}/{answer.json()['id']}").json()
        return found

    def items(self, review: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        answer = self.tenant.client.get(f"{self.url}/{review['id']}/items", params={"limit": 100, **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def decide(self, who: Tenant, item: dict[str, Any], decision: str = "approve", **more: Any) -> dict[str, Any]:
        answer = who.client.post(f"{self.url}/{item['review_id']}/items/{item['id']}/decisions",
                                 json={"decision": decision, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def close(self, who: Tenant, review: dict[str, Any], *, approve: bool = True) -> dict[str, Any]:
        answer = who.client.post(f"{self.url}/{review['id']}/close", json={"approve": approve})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def make_version(tenant: Tenant, flags: list[int], *, lines: list[bytes] | None = None, created_by: str | None = None,
                 analysed: bool = True, errors: int = 0, warnings: int = 0, source: dict[str, Any] | None = None,
                 parents: list[str] | None = None) -> Reviewed:
    """A version whose line i has flags[i-1]."""
    lines = lines or [json.dumps(example(number)).encode() for number in range(1, len(flags) + 1)]
    file_id = new_id("file-")
    key = file_key(tenant.project_id, file_id)
    storage().write(key, b"".join(line + b"\n" for line in lines))
    lengths = np.array([len(line) for line in lines], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths + 1)[:-1]])
    if analysed:
        store_columns(tenant, file_id, line=np.arange(1, len(lines) + 1), offset=starts, length=lengths,
                      flags=np.array(flags, dtype=np.uint32))
    dataset_id, version_id = new_id("ds_"), new_id("dsver_")
    with transaction(tenant.scope) as session:
        session.add(File(id=file_id, project_id=tenant.project_id, filename="train.jsonl", purpose="fine-tune",
                         bytes=int(lengths.sum()) + len(lines), sha256="0" * 64, object_key=key, status="processed",
                         created_by=created_by))
        session.add(Dataset(id=dataset_id, project_id=tenant.project_id, name=dataset_id, last_number=1))
        session.flush()
        session.add(Report(id=new_id("report_"), project_id=tenant.project_id, file_id=file_id, format="chat",
                           examples=len(lines), lines=len(lines), errors=errors, warnings=warnings,
                           verdict="block" if errors else "warn" if warnings else "go"))
        session.add(DatasetVersion(id=version_id, project_id=tenant.project_id, dataset_id=dataset_id, number=1,
                                   file_id=file_id, created_by=created_by, examples=len(lines),
                                   status="ready", recipe=version_id, parents=parents or [],
                                   source=source or {"type": "file", "file_id": file_id}))
    return Reviewed(tenant, dataset_id, version_id, file_id)


def store_columns(tenant: Tenant, file_id: str, **columns: Any) -> None:
    stored = io.BytesIO()
    np.savez(stored, **columns)
    storage().write(columns_key(tenant.project_id, file_id), stored.getvalue())


def colleague(tenant: Tenant, name: str = "Colleague") -> Tenant:
    """Another service account of the same project."""
    with transaction(tenant.scope) as session:
        project = tenant_queries.project(session, tenant.project_id)
        _, _, key = tenants.create_service_account(session, project, name)
    return Tenant(tenant.organization_id, tenant.project_id, tenant.slug, key, client_with(tenant.client, key))


def account_of(who: Tenant) -> str:
    """The service account behind a key."""
    with transaction(NOBODY) as session:
        account: str = tenant_queries.recognise(session, key_hash(who.key)).service_account_id
    return account
