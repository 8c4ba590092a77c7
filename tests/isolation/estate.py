"""What a tenant owns, as the API names it: an object for every path parameter of every route."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from migrations.metadata import metadata
from service.credentials.operations.sealing import SECRET, Owner, hide
from service.credentials.tables import Credential, DataKey
from service.datasets.tables import DatasetVersion
from service.kit.database import Scope, transaction
from service.kit.encryption import new_data_key
from service.kit.identifiers import new_id, random_text
from service.kit.keyring import keyring
from service.tenants import operations as tenants
from service.tenants.tables import Organization
from tests.fixtures.api import Tenant, client_with
from tests.isolation.rows import fill

Rows = dict[str, dict[str, Any]]
MAKERS: dict[str, Callable[[Rows], str]] = {
    "import_id": lambda rows: rows["imports"]["id"],
    "upload_id": lambda rows: rows["uploads"]["id"],
    "fine_tuning_job_id": lambda rows: rows["jobs"]["id"],
    "notification_subscription_id": lambda rows: rows["mail_subscriptions"]["id"],
    "webhook_endpoint_id": lambda rows: rows["webhook_endpoints"]["id"],
    "webhook_delivery_id": lambda rows: rows["webhook_deliveries"]["id"],
    "event_id": lambda rows: rows["events"]["id"],
    "preflight_id": lambda rows: rows["preflights"]["id"],
    "model": lambda rows: rows["tuned_models"]["name"],
    "model_mapping_id": lambda rows: rows["model_mappings"]["id"],
    "project_id": lambda rows: rows["projects"]["id"],
    "service_account_id": lambda rows: rows["service_accounts"]["id"],
    "api_key_id": lambda rows: rows["api_keys"]["id"],
    "key_id": lambda rows: rows["admin_keys"]["id"],
    "file_id": lambda rows: rows["uploaded"]["id"],
    "dataset_id": lambda rows: rows["datasets"]["id"],
    "version": lambda rows: rows["dataset_versions"]["id"],
    "review_id": lambda rows: rows["reviews"]["id"],
    "item_id": lambda rows: rows["review_items"]["id"],
    "other": lambda rows: rows["dataset_versions"]["id"],
    "credential_id": lambda rows: rows["credentials"]["id"],
    "shared_credential_id": lambda rows: rows["shared_credentials"]["id"],
    "preview_id": lambda rows: rows["dataset_previews"]["id"],
}
"""Where the id behind each path parameter comes from. A route with a new parameter needs a line here."""


@dataclass(frozen=True)
class Estate:
    """A tenant with its own organization: clients with its project key and its admin key, and its objects."""

    tenant: Tenant
    admin: TestClient
    ids: dict[str, str]
    "By path parameter."
    marks: frozenset[str] = field(default_factory=frozenset)
    "Every id of every row; none of them may turn up in another's answer."


def settle(client: TestClient, name: str) -> Estate:
    """Found an organization with a project, and fill every table for it."""
    organization_id = new_id("org-")
    with transaction(Scope.organization(organization_id)) as session:
        session.add(Organization(id=organization_id, name=name))
        session.flush()
        project = tenants.create_project(session, organization_id, name)
        account, key, plain = tenants.create_service_account(session, project, f"{name}-bot")
        assert key is not None
        admin_key, admin_plain = tenants.create_admin_key(session, organization_id, "root")
        tenants.create_admin_key(session, organization_id, "spare")
        account_id, key_id, admin_key_id = account.id, key.id, admin_key.id
    tenant = Tenant(organization_id, project.id, project.slug, plain, client_with(client, plain))
    admin = client_with(client, admin_plain)
    with transaction(tenant.scope) as session:
        rows = fill(session, tenant)
        _make_openable(session, rows)
    rows |= {"service_accounts": {"id": account_id}, "api_keys": {"id": key_id}, "admin_keys": {"id": admin_key_id},
             "shared_credentials": admin.post("/v1/organization/credentials", json={
                 "provider": "openai", "name": "shared", "secret": "sk-of-the-organization"}).json(),
             "uploaded": tenant.client.post("/v1/files", data={"purpose": "fine-tune"},
                                            files={"file": ("train.jsonl", b'{"messages": []}\n')}).json()}
    with transaction(tenant.scope) as session:
        session.execute(update(DatasetVersion).values(status="ready", file_id=rows["uploaded"]["id"]))
    ids = {parameter: maker(rows) for parameter, maker in MAKERS.items()}
    return Estate(tenant, admin, ids, frozenset(_marks(tenant)))


def _make_openable(session: Session, rows: Rows) -> None:
    """Give the data key and the credential what decrypts, in place of the made-up bytes."""
    data_key = session.get_one(DataKey, rows["data_keys"]["id"])
    credential = session.get_one(Credential, rows["credentials"]["id"])
    kek, key, owner = keyring().current, new_data_key(), Owner.of(data_key)
    data_key.kek = kek.name
    data_key.wrapped = kek.wrap(key, owner.context(data_key.id, "data-key"))
    credential.secret = hide(key, owner, credential.id, SECRET, '{"secret": "sk-of-the-project"}')


def _marks(tenant: Tenant) -> set[str]:
    with transaction(tenant.scope) as session:
        return {each for table in metadata.sorted_tables for each in session.scalars(select(table.c.id))}


def possessions(estate: Estate) -> dict[str, list[Any]]:
    """All rows of the estate, but for what its own calls leave behind in them."""
    found: dict[str, list[Any]] = {}
    for scope in (estate.tenant.scope, Scope.organization(estate.tenant.organization_id)):
        with transaction(scope) as session:
            for table in metadata.sorted_tables:
                columns = [column for column in table.columns if column.name != "last_used_at"]
                found.setdefault(table.name, []).extend(
                    tuple(each) for each in session.execute(select(*columns).order_by(table.c.position)))
    return found


def unlike(real: str) -> str:
    """An id that nobody has, of the same make as `real`."""
    return real[:-8] + random_text(8)
