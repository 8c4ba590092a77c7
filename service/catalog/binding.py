"""Tuned models that lost their credential, led to their server again by another that opens the same door."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from service.catalog import queries
from service.credentials import queries as credential_queries
from service.credentials.addresses import door
from service.credentials.errors import CredentialNotFound
from service.credentials.tables import Credential
from service.kit.database import Scope, within
from service.tenants import queries as tenants


def bind_again(session: Session, credential_id: str, names: Collection[str]) -> None:
    """Its server takes the credential and lists `names`: what a deleted one led to there, this one leads to.

    One of the organization does so for all its projects. Models whose credential is there are left alone.
    """
    try:
        credential = credential_queries.credential(session, credential_id)
    except CredentialNotFound:
        return
    if not credential.is_shared:
        _bind(session, credential, names)
        return
    with within(session, Scope.organization(credential.organization_id)):
        projects = tenants.project_ids(session)
    for project_id in projects:
        with within(session, Scope.project(project_id)):
            _bind(session, credential, names)


def _bind(session: Session, credential: Credential, names: Collection[str]) -> None:
    here = door(credential.provider, credential.base_url)
    lost = [each.id for each in credential_queries.deleted(session, credential.provider)
            if door(each.provider, each.base_url) == here]
    if lost:
        queries.bind(session, credential.id, lost=lost, names=names)
