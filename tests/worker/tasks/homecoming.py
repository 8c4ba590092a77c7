"""A project that reads its estate home from a simulated server, by workers that may be killed at any call."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from service.credentials import operations as credentials
from service.credentials.operations import OpenCredential
from service.credentials.operations.sealing import Owner
from service.credentials.schemas import CredentialCreate
from service.kit.database import transaction
from service.kit.work import Work
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from worker import app
from worker.providers.opening import open_remote
from worker.providers.remote import Remote
from worker.tasks import imports

READS = ("files", "jobs", "models", "content", "events", "checkpoints")


class Killed(BaseException):
    """The process ended here: nothing after this happens, and nobody hears of it."""


@dataclass
class Home:
    """One project, its credential at the simulator, and what its worker asked for."""

    tenant: Tenant
    simulator: Simulator
    credential_id: str
    calls: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    cut: set[tuple[Any, ...]] = field(default_factory=set)
    "Calls over which a worker was killed."
    before: Callable[[], None] = lambda: None
    "Called before and after every call to the server; may raise Killed."

    def start(self, **body: Any) -> str:
        answer = self.tenant.client.post("/v1/imports", json={
            "provider": "openai", "credential": self.credential_id, **body})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def bring(self, **body: Any) -> dict[str, Any]:
        """A whole import, carried on until it ends, in one process after another."""
        import_id = self.start(**body)
        self.carry(import_id)
        return self.told(import_id)

    def carry(self, import_id: str, *, turns: int = 200) -> int:
        """Run the work as workers do until it is done; how many were killed over it."""
        kills = 0
        for _ in range(turns):
            item = self.item(import_id)
            if item is None:
                return kills
            try:
                app.run(imports.read_estate, item)
            except Killed:
                kills += 1
            self.hurry()
        raise AssertionError(f"the import is not done after {turns} turns: {self.told(import_id)}")

    def step(self, import_id: str) -> None:
        """One turn, if it is due."""
        item = self.item(import_id)
        assert item is not None
        app.run(imports.read_estate, item)

    def item(self, import_id: str) -> str | None:
        with transaction(self.tenant.scope) as session:
            found: str | None = session.execute(
                text("select id from work_items where kind = :kind and subject = :subject and state <> 'failed'"),
                {"kind": Work.IMPORT_ESTATE.value, "subject": import_id}).scalar()
        return found

    def hurry(self) -> None:
        """The leases of the dead run out, and every wait is over; crashes are forgotten, for tests kill more often."""
        with transaction(self.tenant.scope) as session:
            session.execute(text("update work_items set lease_until = now() - interval '1 second', run_at = now(),"
                                 " crashes = 0 where kind = 'imports.run'"))

    def told(self, import_id: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/imports/{import_id}"))

    def problems(self, import_id: str) -> list[dict[str, Any]]:
        return list(self.get(f"/v1/imports/{import_id}/problems", limit=1000)["data"])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.tenant.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all(self, path: str, *, limit: int = 100) -> list[dict[str, Any]]:
        """Every page of a list."""
        found: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            page = self.get(path, limit=limit, **after)
            found += page["data"]
            if not page["has_more"]:
                return found
            after = {"after": page["data"][-1]["id"]}

    # -- the server, watched -----------------------------------------------------------------------------
    def open(self, credential: OpenCredential) -> Remote:
        return Watched(self, open_remote(credential))

    def doubled(self) -> dict[tuple[Any, ...], int]:
        """Calls that were made more than once."""
        return {call: times for call, times in self.calls.items() if times > 1}


class Watched:
    """A remote whose reads are counted, and around which a process may end."""

    def __init__(self, home: Home, remote: Remote) -> None:
        self._home, self._remote = home, remote

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._remote, name)
        if name not in READS:
            assert name == "close", f"{name} is no reading"
            return verb

        def call(*given: Any, **named: Any) -> Any:
            asked = (name, *given, *named.values())
            self._home.before()
            self._home.calls[asked] += 1
            try:
                answer = verb(*given, **named)
                answer = list(answer) if name == "content" else answer
                self._home.before()
            except Killed:
                self._home.cut.add(asked)
                raise
            return iter(answer) if name == "content" else answer
        return call


@contextmanager
def killing(home: Home, seed: int, *, share: float) -> Iterator[None]:
    """Until the block ends, a worker is killed at so many of its moments."""
    draw = random.Random(seed)

    def maybe() -> None:
        if draw.random() < share:
            raise Killed
    home.before = maybe
    yield
    home.before = lambda: None


def found_home(tenant: Tenant, simulator: Simulator, *, key: str | None = None, name: str = "old-house") -> Home:
    """A credential for the simulator, as a project stores one."""
    body = CredentialCreate(provider="openai", name=name, secret=SecretStr(key or simulator.key),
                            base_url=simulator.base_url)
    with transaction(tenant.scope) as session:
        credential = credentials.create(session, Owner(tenant.organization_id, tenant.project_id), body, by="key_test")
        return Home(tenant, simulator, credential.id)
