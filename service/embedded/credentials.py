"""The first project and its keys. Keys are hashed in the database, so the embedded default keeps its own in a file."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.embedded.ownership import write_private
from service.kit.database import NOBODY, Scope, transaction
from service.settings import settings
from service.tenants import operations, queries
from service.tenants.keys import key_hash
from service.tenants.tables import Project

PROJECT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller needs: a key of the default project, and an administrator's."""

    api_key: str
    admin_key: str


def keep_credentials(file: Path) -> Credentials:
    """The keys in `file` while both work; otherwise new ones, kept there (mode 0600).

    Makes organization and project on the first start.
    """
    kept = _read(file)
    if kept is not None and _works(kept.api_key) and _works(kept.admin_key):
        return kept
    with transaction(NOBODY) as session:
        organization_id = operations.bootstrap(session, settings().organization_name).id
    with transaction(Scope.organization(organization_id)) as session:
        fresh = _issue(session, organization_id)
    write_private(file, json.dumps(asdict(fresh), indent=2) + "\n")
    return fresh


def _issue(session: Session, organization_id: str) -> Credentials:
    there = select(Project).where(Project.name == PROJECT_NAME, Project.archived_at.is_(None))
    project = (session.scalar(there.order_by(Project.position).limit(1))
               or operations.create_project(session, organization_id, PROJECT_NAME))
    _, _, api_key = operations.create_service_account(session, project, "tuneworks up")
    _, admin_key = operations.create_admin_key(session, organization_id, "tuneworks up")
    return Credentials(api_key, admin_key)


def _read(file: Path) -> Credentials | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(file.read_text())
        return Credentials(str(content["api_key"]), str(content["admin_key"]))
    return None


def _works(key: str) -> bool:
    with transaction(NOBODY) as session:
        return queries.recognise(session, key_hash(key)) is not None
