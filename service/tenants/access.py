"""Who is calling, and a session within their walls: the dependencies that every endpoint stands on."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from service.kit.admission import Admitted, admitted
from service.kit.database import NOBODY, Scope, transaction
from service.kit.streams.hub import Reader
from service.tenants import operations, queries
from service.tenants.errors import InvalidAPIKey, MissingAPIKey, NotAnAdminKey, NotAProjectKey
from service.tenants.keys import is_well_formed

_CACHE_SECONDS = 3.0  # so long may a revoked key still be accepted
_CACHE_SIZE = 10_000
_bearer = HTTPBearer(auto_error=False, description="A project key (tw-proj-…) or, under /v1/organization, an"
                                                   " admin key (tw-admin-…).")
Params = ParamSpec("Params")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that calls and whose it is; `project_id` is empty for an admin key."""

    key_id: str
    organization_id: str
    project_id: str
    project_slug: str
    service_account_id: str = ""
    "Empty for an admin key."

    @property
    def actor(self) -> str:
        """Who acts: the service account, so that two keys of one account are one person; else the key itself."""
        return self.service_account_id or self.key_id

    @property
    def scope(self) -> Scope:
        """What this caller may see."""
        return Scope.project(self.project_id) if self.project_id else Scope.organization(self.organization_id)


class _KnownCallers:
    """The keys that this process has seen lately, by their SHA-256."""

    def __init__(self) -> None:
        self._until: dict[bytes, tuple[float, Caller]] = {}
        self.generation = 0

    def get(self, digest: bytes) -> Caller | None:
        until, caller = self._until.get(digest, (0.0, None))
        return caller if until > time.monotonic() else None

    def put(self, digest: bytes, caller: Caller, *, seen_in: int) -> None:
        """Remember a key that was looked up in generation `seen_in`, unless all were forgotten since."""
        if seen_in != self.generation:
            return
        if len(self._until) >= _CACHE_SIZE:
            self._until.clear()
        self._until[digest] = (time.monotonic() + _CACHE_SECONDS, caller)

    def forget(self) -> None:
        self.generation += 1
        self._until.clear()


_known = _KnownCallers()


def forget_callers() -> None:
    """Empty this process's cache of keys; a revocation that was committed before is then effective at once."""
    _known.forget()


def authenticate(request: Request,
                 credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> Caller:
    """The caller behind the request's bearer key. Raises MissingAPIKey or InvalidAPIKey."""
    if credentials is None or not credentials.credentials:
        raise MissingAPIKey
    key = credentials.credentials
    if not is_well_formed(key):
        raise InvalidAPIKey(key)
    digest = hashlib.sha256(key.encode()).digest()
    caller = _known.get(digest) or _recognise(key, digest)
    request.state.caller = caller
    return caller


def _recognise(key: str, digest: bytes) -> Caller:
    generation = _known.generation
    with transaction(NOBODY) as session:
        found = queries.recognise(session, digest)
    if found is None:
        raise InvalidAPIKey(key)
    caller = Caller(found.key_id, found.organization_id, found.project_id or "", found.slug or "",
                    found.service_account_id or "")
    with transaction(caller.scope) as session:
        operations.note_use(session, found.key_id)
    _known.put(digest, caller, seen_in=generation)
    return caller


def project_caller(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
    if not caller.project_id:
        raise NotAProjectKey
    return caller


def admin_caller(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
    if caller.project_id:
        raise NotAnAdminKey
    return caller


CurrentProject = Annotated[Caller, Depends(project_caller)]
CurrentAdmin = Annotated[Caller, Depends(admin_caller)]


def project_session(caller: CurrentProject, _: Admitted) -> Iterator[Session]:
    with transaction(caller.scope) as session:
        yield session


def admin_session(caller: CurrentAdmin, _: Admitted) -> Iterator[Session]:
    with transaction(caller.scope) as session:
        yield session


def revoking_session(caller: CurrentAdmin, _: Admitted) -> Iterator[Session]:
    """An admin session after whose commit this process looks every key up anew."""
    with transaction(caller.scope) as session:
        yield session
    forget_callers()


def stream_reader(caller: CurrentProject,
                  credentials: Annotated[HTTPAuthorizationCredentials, Security(_bearer)]) -> Reader:
    """Who reads a stream; long after, it can be asked whether the key is still good."""
    digest = hashlib.sha256(credentials.credentials.encode()).digest()

    def may_read() -> bool:
        with transaction(NOBODY) as session:
            return queries.recognise(session, digest) is not None
    return Reader(caller.project_id, caller.key_id, may_read)


StreamReader = Annotated[Reader, Depends(stream_reader)]


# scope="function": the transaction commits before the answer leaves, so no caller holds a 200 that failed.
ProjectSession = Annotated[Session, Depends(project_session, scope="function")]
AdminSession = Annotated[Session, Depends(admin_session, scope="function")]
RevokingSession = Annotated[Session, Depends(revoking_session, scope="function")]


async def in_transaction(caller: Caller, operation: Callable[Concatenate[Session, Params], Result],
                         *args: Params.args, **kwargs: Params.kwargs) -> Result:
    """The same for async routes, which must hold no session: `operation(session, …)` as one transaction in a thread."""
    def run() -> Result:
        with transaction(caller.scope) as session:
            return operation(session, *args, **kwargs)
    async with admitted():
        return await run_in_threadpool(run)
