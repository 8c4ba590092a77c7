"""Which credential a job or a chat uses: the one that is asked for, else the newest that works."""

from sqlalchemy.orm import Session

from service.credentials import queries
from service.credentials.errors import NoCredential, UnknownCredential
from service.credentials.tables import Credential


def choose(session: Session, provider: str, wanted: str | None) -> Credential:
    """The credential for `provider` that a project asks for by id or name, or else its newest that works.

    A project's own come before its organization's. One that is asked for is taken even while its server refuses it.
    Raises UnknownCredential or NoCredential (400, param `credential`).
    """
    found = queries.candidates(session, provider, wanted)
    if wanted is not None:
        if not found:
            raise UnknownCredential(wanted, provider)
        return found[0]
    for each in found:
        if each.works:
            return each
    raise NoCredential(provider, failing=found[0].name if found else None)


def named(session: Session, name: str) -> Credential | None:
    """The live credential of this name, the project's own before its organization's."""
    return queries.named(session, name)
