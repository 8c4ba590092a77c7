"""Envelope encryption: data keys encrypt secrets, and key-encryption keys (KEKs), which live elsewhere, wrap data keys.

    KEK, by name (file, environment or a program)  ──wraps──▶  data key, one per project  ──encrypts──▶  a secret

Both steps are AES-256-GCM over a context that says whose the thing is and what for. What was moved to another row,
another tenant or another purpose does not open, nor does what was changed by a bit.
"""

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.kit.errors import Unavailable

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class EncryptionUnavailable(Unavailable):
    """A secret can be neither kept nor read until somebody sets the house's keys right; a blind retry cannot help."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, retry_after=60, code=code)
        self.headers["x-should-retry"] = "false"


class KeysMissing(EncryptionUnavailable):
    def __init__(self) -> None:
        super().__init__("This house has no key-encryption key, so it can keep no secret. Its operators set"
                         " TUNEWORKS_KEK_FILE (see `tuneworks credentials new-kek`), TUNEWORKS_KEKS or"
                         " TUNEWORKS_KEK_COMMAND; `tuneworks doctor` tells more.", code="key_encryption_missing")


class KeysUnusable(EncryptionUnavailable):
    """`why` completes the sentence "The key-encryption keys …"; it tells nothing of them but their names."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The key-encryption keys of this house {why}. Until its operators mend that, no secret can be"
                         " kept or read.", code="key_encryption_unusable")


class UnknownKey(EncryptionUnavailable):
    def __init__(self, name: str) -> None:
        super().__init__(f"The stored secret is encrypted under the key-encryption key '{name}', which this process"
                         " does not have. Its operators put that key back into TUNEWORKS_KEK_FILE, TUNEWORKS_KEKS or"
                         " what TUNEWORKS_KEK_COMMAND prints.", code="key_encryption_unknown")


class CannotOpen(EncryptionUnavailable):
    """Wrong key, changed bytes, or another row's: which of them, nobody can tell."""

    def __init__(self) -> None:
        super().__init__("The stored secret does not open: it was changed, moved, or encrypted under another key of the"
                         " same name. Store it again.", code="secret_unreadable")


class KeyEncryption(Protocol):
    """The seam for whatever holds a KEK: this process, or a key management service that never gives it out."""

    @property
    def name(self) -> str: ...

    def wrap(self, data_key: bytes, context: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Raises CannotOpen."""
        ...


class LocalKey:
    """A KEK that this process holds in memory."""

    def __init__(self, name: str, key: bytes) -> None:
        self.name = name
        self._key = key

    def __repr__(self) -> str:
        return f"LocalKey({self.name!r})"

    def wrap(self, data_key: bytes, context: str) -> bytes:
        return seal(self._key, data_key, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        return unseal(self._key, wrapped, context)


def new_data_key() -> bytes:
    return AESGCM.generate_key(KEY_BYTES * 8)


def seal(key: bytes, content: bytes, context: str) -> bytes:
    """A version byte, a fresh nonce, and `content` encrypted for this context only."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, content, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """What `seal` was given. Raises CannotOpen for anything else than that key, those bytes and that context."""
    version, nonce, rest = sealed[:1], sealed[1:1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES:]
    if version != _VERSION or len(nonce) != _NONCE_BYTES:
        raise CannotOpen
    try:
        return AESGCM(key).decrypt(nonce, rest, context.encode())
    except InvalidTag:
        raise CannotOpen from None
