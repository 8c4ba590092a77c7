"""Finds who answers a chat: the model that a name stands for by now, and what its server is reached with."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.catalog import capabilities, mappings
from service.catalog.mappings import Answering
from service.catalog.operations import ResolvedModel
from service.chat.errors import CredentialGone, NotServedHere
from service.credentials import operations as credentials
from service.credentials import queries as credential_queries
from service.credentials.errors import CredentialNotFound
from service.credentials.operations import OpenCredential
from service.credentials.tables import Credential
from service.jobs.operations.remote_submitting import server_name


@dataclass(frozen=True, slots=True)
class Answerer:
    """A model, and the credential that leads to it; None where it is served in this house."""

    answering: Answering
    credential: OpenCredential | None = None

    @property
    def model(self) -> ResolvedModel:
        return self.answering.model

    @property
    def server_names(self) -> list[str]:
        """What its server calls it, then what else may be meant by it; never the base of a tuned model."""
        if self.model.remote_name is not None:
            return [self.model.remote_name]
        return [server_name(self.model.base), *self.model.base.aliases]


def answerer(session: Session, name: str, *, is_gone: bool = False) -> Answerer:
    """Who answers where `name` is asked for; `is_gone`: a server has just said that it does not know it.

    Raises ModelNotFound, NotServedHere, NoCredential, CredentialGone or EncryptionUnavailable.
    """
    answering = mappings.answering(session, name, is_gone=is_gone)
    model = answering.model
    if model.base.provider == "local" and model.remote_name is None:
        return Answerer(answering)
    credential_id = model.credential_id or credentials.choose(session, model.base.provider, None).id
    try:
        row = credential_queries.credential(session, credential_id)
    except CredentialNotFound as deleted:
        raise CredentialGone(model.name, model.base.provider) from deleted
    reason = capabilities.of(row.provider).cannot_chat()
    if reason is not None:
        raise NotServedHere(model.name, reason)
    return Answerer(answering, credentials.open_credential(session, row.id))


def note_refused(session: Session, credential_id: str, details: str) -> None:
    """Its server does not take the credential any more; said once, not by every chat that meets it."""
    row = _found(session, credential_id)
    if row is not None and row.status != "refused":
        credentials.failing(session, credential_id, details)


def ask_for_check(session: Session, credential_id: str) -> None:
    """Its server refused one request, which may be for the model's sake: a worker asks about the credential itself."""
    row = _found(session, credential_id)
    if row is not None:
        credentials.ask_for_check(session, row)


def _found(session: Session, credential_id: str) -> Credential | None:
    try:
        return credential_queries.credential(session, credential_id)
    except CredentialNotFound:
        return None
