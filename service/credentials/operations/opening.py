"""Credentials with their secrets readable, for the length of one piece of work."""

import json
import traceback
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from service.credentials import queries
from service.credentials.keys import signing_keys
from service.credentials.operations.sealing import SECRET, WEBHOOK_SECRET, Owner, opened, reveal, unwrapped
from service.kit import blanking

SHORTEST_SECRET = blanking.SHORTEST_SECRET


@dataclass(frozen=True, slots=True)
class OpenCredential:
    """A credential as its provider is called with it; printing it shows no secret."""

    id: str
    provider: str
    base_url: str | None
    options: dict[str, Any]
    secret: str = field(repr=False)
    organization_id: str
    project_id: str | None = None
    "None where it belongs to the whole organization."
    session_token: str | None = field(default=None, repr=False)
    "Of temporary AWS keys."
    webhook_secret: str | None = field(default=None, repr=False)
    "As the provider shows it, mostly whsec_… ."

    def redact(self, words: str) -> str:
        """`words` without any key: a server may repeat in its refusal what it was sent, masked or not."""
        return blanking.without_keys(words, (self.secret, self.session_token, self.webhook_secret))

    def harmless(self, fault: Exception) -> Exception:
        """The fault, or in its place one that tells the same without the secrets, if it or what led to it names one."""
        told = "".join(traceback.format_exception(fault))
        redacted = self.redact(told)
        return fault if redacted == told else RuntimeError(redacted)


def open_credential(session: Session, credential_id: str) -> OpenCredential:
    """Raises CredentialNotFound (a deleted one is not found), or EncryptionUnavailable."""
    row, data_key = queries.with_data_key(session, credential_id)
    owner, key = Owner.of(row), opened(data_key)
    secrets = json.loads(reveal(key, owner, row.id, SECRET, row.secret))
    signing = row.webhook_secret and reveal(key, owner, row.id, WEBHOOK_SECRET, row.webhook_secret)
    return OpenCredential(row.id, row.provider, row.base_url, dict(row.options), secrets["secret"],
                          row.organization_id, row.project_id, secrets.get("session_token"), signing or None)


@dataclass(frozen=True, slots=True)
class Signing:
    """What a provider's webhooks at one credential are checked with."""

    credential_id: str
    organization_id: str
    project_id: str | None
    "None where it belongs to the whole organization: any of its projects' jobs may be meant."
    keys: tuple[bytes, ...] = field(repr=False)


def webhook_keys(session: Session, credential_id: str) -> Signing | None:
    """The keys that sign webhooks for this credential; None where there are none, for whatever reason.

    Needs no tenant: works in the scope NOBODY, since whoever calls is known by the signature only. Raises
    EncryptionUnavailable.
    """
    row = queries.signing(session, credential_id)
    if row is None:
        return None
    owner = Owner(row.organization_id, row.project_id)
    key = unwrapped(owner, row.data_key_id, row.kek, row.wrapped)
    shown = reveal(key, owner, row.id, WEBHOOK_SECRET, row.webhook_secret)
    return Signing(row.id, row.organization_id, row.project_id, signing_keys(shown))
