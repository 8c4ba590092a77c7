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

from service.kit.database import NOBODY, Scope, transaction
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

    @property
    def scope(self) -> Scope:
        """What this caller may see."""
        return Scope.project(self.project_id) if self.project_id else Scope.organization(self.organization_id)


_cache: dict[bytes, tuple[float, Caller]] = {}


def forget_callers() -> None:
    """Empty this process's cache of keys; a revocation made here is then effective at once."""
    _cache.clear()


def authenticate(request: Request,
                 credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> Caller:
    """The caller behind the request's bearer key. Raises MissingAPIKey or InvalidAPIKey."""
    if credentials is None or not credentials.credentials:
        raise MissingAPIKey
    key = credentials.credentials
    if not is_well_formed(key):
        raise InvalidAPIKey(key)
    digest = hashlib.sha256(key.encode()).digest()
    cached = _cache.get(digest)
    if cached is not None and cached[0] > time.monotonic():
        caller = cached[1]
    else:
        caller = _recognise(key, digest)
    request.state.caller = caller
    return caller


def _recognise(key: str, digest: bytes) -> Caller:
    with transaction(NOBODY) as session:
        found = queries.recognise(session, digest)
    if found is None:
        _cache.pop(digest, None)
        raise InvalidAPIKey(key)
    caller = Caller(found.key_id, found.organization_id, found.project_id or "", found.slug or "")
    with transaction(caller.scope) as session:
        operations.note_use(session, found.key_id)
    if len(_cache) >= _CACHE_SIZE:
        _cache.clear()
    _cache[digest] = (time.monotonic() + _CACHE_SECONDS, caller)
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


def project_session(caller: CurrentProject) -> Iterator[Session]:
    with transaction(caller.scope) as session:
        yield session


def admin_session(caller: CurrentAdmin) -> Iterator[Session]:
    with transaction(caller.scope) as session:
        yield session


# scope="function": the transaction commits before the answer leaves, so no caller holds a 200 that failed.
ProjectSession = Annotated[Session, Depends(project_session, scope="function")]
AdminSession = Annotated[Session, Depends(admin_session, scope="function")]


async def in_transaction(caller: Caller, operation: Callable[Concatenate[Session, Params], Result],
                         *args: Params.args, **kwargs: Params.kwargs) -> Result:
    """The same for async routes: `operation(session, …)` as one transaction in a thread."""
    def run() -> Result:
        with transaction(caller.scope) as session:
            return operation(session, *args, **kwargs)
    return await run_in_threadpool(run)
