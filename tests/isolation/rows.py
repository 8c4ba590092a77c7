"""One row for every table, filled in from the table's own description, so that a new table is tested unasked."""

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Table, insert
from sqlalchemy.orm import Session

from migrations.metadata import metadata
from tests.fixtures.api import Tenant

CHOSEN: dict[tuple[str, str], Any] = {
    ("import_items", "kind"): "file",
    ("import_problems", "kind"): "file",
    ("tuned_models", "kind"): "adapter",
    ("tuned_models", "artifact_prefix"): "jobs/gone/",
    ("ledger_entries", "kind"): "hold",
    ("dataset_findings", "severity"): "error",
    ("webhook_endpoints", "event_types"): [],
    ("mail_subscriptions", "event_types"): [],
    ("mails", "kind"): "event",
    ("review_decisions", "decision"): "approve",
    ("dataset_previews", "lines"): [],
    ("credentials", "provider"): "openai",
    ("preflights", "request"): {"model": "smollm2-135m-instruct", "training_file": "file-gone"},
}
"""Values of columns that take only certain ones and have no default; add a new column of that sort here."""

OF_THE_HOUSE = frozenset({"training_machines", "training_rates"})
"""Tables that tell nothing of any tenant, which all may read; a new one must be argued for."""


def project_tables() -> list[Table]:
    """Every table whose rows belong to a project, those that others point to first."""
    return [table for table in metadata.sorted_tables if "project_id" in table.columns]


def fill(session: Session, tenant: Tenant) -> dict[str, dict[str, Any]]:
    """Insert one row of the tenant's into each of its tables; returns what was inserted, by table."""
    made: dict[str, dict[str, Any]] = {"organizations": {"id": tenant.organization_id},
                                       "projects": {"id": tenant.project_id}}
    for table in project_tables():
        made[table.name] = values = row(table, made, tenant)
        session.execute(insert(table).values(values))
    return made


def row(table: Table, made: dict[str, dict[str, Any]], tenant: Tenant) -> dict[str, Any]:
    """Values for every column that must be given or that points to another row, which is then in `made`."""
    values = {column.name: _value(table, column, made) for column in table.columns
              if column.foreign_keys or _must_be_given(column) or (table.name, column.name) in CHOSEN}
    return values | {name: value for name, value in (("project_id", tenant.project_id),
                                                     ("organization_id", tenant.organization_id))
                     if name in table.columns}


def _must_be_given(column: Column[Any]) -> bool:
    return not (column.nullable or column.server_default is not None or column.identity is not None)


def _value(table: Table, column: Column[Any], made: dict[str, dict[str, Any]]) -> Any:
    if (table.name, column.name) in CHOSEN:
        return CHOSEN[table.name, column.name]
    for key in column.foreign_keys:
        return made[key.column.table.name]["id"]
    samples: dict[type, Any] = {  # JSON columns are of type object
        str: f"{table.name}-{column.name}-{secrets.token_hex(6)}", int: 1, object: {}, bool: False,
        bytes: secrets.token_bytes(16), datetime: datetime.now(UTC)}
    return samples[column.type.python_type]
