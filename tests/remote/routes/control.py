"""The control side: time, faults, behaviour, accounts, jobs moved by hand, webhooks, the ledger."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.remote import ledger
from tests.remote.accounts import Account
from tests.remote.datasets import Problem
from tests.remote.estate import Wanted, seed_estate
from tests.remote.jobs import Job
from tests.remote.webhooks import Endpoint
from tests.remote.world import DEFAULT_KEY, World

if TYPE_CHECKING:
    from tests.remote.server import Simulator

Order = Callable[[dict[str, Any]], Any]


class Control:
    """Each verb takes the request's JSON object; what it returns is the answer."""

    def __init__(self, simulator: "Simulator") -> None:
        self.simulator = simulator

    @property
    def world(self) -> World:
        return self.simulator.world

    def add_routes(self, app: web.Application) -> None:
        verbs: dict[str, Order] = {
            "reset": self.reset, "advance": self.advance, "run": self.run, "pace": self.pace, "hurry": self.hurry,
            "behave": self.behave, "faults": self.faults, "clear_faults": self.clear_faults, "accounts": self.account,
            "job": self.job, "deployments": self.deployment, "webhooks": self.webhooks,
            "send_webhook": self.send_webhook, "estate": self.estate, "refuse": self.refuse,
        }
        for name, verb in verbs.items():
            app.router.add_post(f"/_control/{name}", _handler(verb))
        app.router.add_get("/_control/ledger", _handler(lambda _given: ledger.ledger(self.world)))
        app.router.add_get("/_control/faults", _handler(lambda _given: [each.told() for each in
                                                                        self.world.faults.faults]))
        app.router.add_get("/_control/requests", _handler(lambda _given: [dataclasses.asdict(each) for each in
                                                                          self.world.seen]))
        app.router.add_get("/_control/state", _handler(self.state))

    def state(self, _given: dict[str, Any]) -> dict[str, Any]:
        world = self.world
        return {"url": self.simulator.url, "now": world.clock.now(), "speed": world.clock.speed,
                "behaviour": dataclasses.asdict(world.behaviour), "pace": dataclasses.asdict(world.pace),
                "webhooks": {"delivered": self.simulator.webhooks.delivered, "failed": self.simulator.webhooks.failed},
                "accounts": [{"keys": sorted(each.keys), "project": each.project, "organization": each.organization,
                              "slug": each.slug, "standing": each.standing} for each in world.accounts]}

    async def reset(self, given: dict[str, Any]) -> None:
        self.simulator.use(World(given.get("seed", 0), given.get("speed", 1.0)))
        if self.simulator.refusing:
            await self.simulator.accept()

    def advance(self, given: dict[str, Any]) -> None:
        self.world.clock.advance(float(given["seconds"]))
        self.world.catch_up()

    def run(self, given: dict[str, Any]) -> None:
        self.world.clock.run_at(float(given["speed"]))

    def pace(self, given: dict[str, Any]) -> None:
        _assign(self.world.pace, given)

    def hurry(self, given: dict[str, Any]) -> None:
        """What waits moves on within so many seconds, one after the other."""
        now, within = self.world.clock.now(), float(given["seconds"])
        waiting = [(account, job) for account in self.world.accounts for job in account.order
                   if job.status in {"validating_files", "queued"} and (job.due or 0) > now + within]
        for place, (account, job) in enumerate(waiting, start=1):
            job.due = now + within * place / len(waiting)
            job.changed()
            self.world.schedule(job.due, account, job)

    def behave(self, given: dict[str, Any]) -> None:
        _assign(self.world.behaviour, given)

    def faults(self, given: dict[str, Any]) -> dict[str, Any]:
        return self.world.faults.add(given).told()

    def clear_faults(self, given: dict[str, Any]) -> None:
        wanted = given.get("id")
        self.world.faults.faults = [each for each in self.world.faults.faults if wanted and each.id != wanted]

    def account(self, given: dict[str, Any]) -> dict[str, Any]:
        key, more = given.pop("key"), dict(given)
        slug, same_as = more.pop("slug", ""), more.pop("same_as", None)
        account = self.world.by_key.get(key) or self.world.add_account(key, slug=slug, same_as=same_as)
        _assign(account, more)
        return {"project": account.project, "organization": account.organization, "slug": account.slug}

    def deployment(self, given: dict[str, Any]) -> None:
        self._account(given).deployments[given["deployment"]] = given["model"]

    def job(self, given: dict[str, Any]) -> dict[str, Any]:
        """`move` it to a status, make it `vanish`, `show` other fields than the true ones, or `twin` it."""
        self.world.catch_up()
        account, job = self.world.find_job(given["id"])
        if given.get("twin"):
            job = self._twin(account, job)
        if "vanish" in given:
            job.vanished = bool(given["vanish"])
        if "show" in given:
            job.overrides = given["show"] or {}
        if "error" in given:
            job.problem = Problem(**given["error"])
        if "move" in given:
            self._move(account, job, given["move"])
        job.changed()
        if job.due is not None:
            self.world.schedule(job.due, account, job)
        return job.wire()

    def _twin(self, account: Account, job: Job) -> Job:
        """A second job from the same order, as a doubled request would make it."""
        twin = dataclasses.replace(job, id=self.world.names.job(), status="validating_files", steps_done=0, ran=False,
                                   events=[], checkpoints=[], result_files=[], error={}, billed_tokens=0,
                                   created_at=self.world.clock.now(), due=None, running_since=None,
                                   fine_tuned_model=None, finished_at=None, trained_tokens=None, overrides={},
                                   options=dict(job.options))
        self.world.training.begin(account, twin)
        return twin

    def _move(self, account: Account, job: Job, status: str) -> None:
        """Along the way that the clock would take it, at once."""
        training, now = self.world.training, self.world.clock.now()
        if status == "cancelled":
            training.cancel(account, job, now)
        elif status == "failed":
            training.fail(account, job, job.problem or Problem("server_error", "The job failed due to an internal "
                                                               "error", ""), now)
        while job.is_live and job.status != status:
            if job.status == "paused":
                training.resume(account, job, now)
            if job.status == "running" and status == "paused":
                training.pause(account, job, now)
                continue
            if job.status == "running":
                job.running_since = now - (job.steps - job.steps_done) * job.step_seconds
            training.move_on(account, job, now)

    def webhooks(self, given: dict[str, Any]) -> None:
        self.simulator.webhooks.endpoints.append(Endpoint(**{"key": DEFAULT_KEY} | given))

    def send_webhook(self, given: dict[str, Any]) -> None:
        """One by hand, true or not: {job, type} and any field of an endpoint."""
        job_id, kind = given.pop("job"), given.pop("type", "fine_tuning.job.succeeded")
        self.simulator.webhooks.send(Endpoint(**{"key": DEFAULT_KEY} | given), kind, job_id)

    def estate(self, given: dict[str, Any]) -> dict[str, Any]:
        account = self._account(given)
        return seed_estate(self.world, account, Wanted(**{name: value for name, value in given.items()
                                                          if name != "key"}))

    async def refuse(self, given: dict[str, Any]) -> None:
        """Close the port for so many real seconds; 0 until the next reset or `refuse` with `accept`."""
        if given.get("accept"):
            if self.simulator.refusing:
                await self.simulator.accept()
            return
        await self.simulator.refuse()
        if seconds := float(given.get("seconds", 0)):
            asyncio.get_running_loop().call_later(seconds, lambda: asyncio.ensure_future(self._accept_again()))

    async def _accept_again(self) -> None:
        if self.simulator.refusing:
            await self.simulator.accept()

    def _account(self, given: dict[str, Any]) -> Account:
        return self.world.by_key[given.get("key") or DEFAULT_KEY]


def _assign(target: Any, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if not hasattr(target, name):
            raise ValueError(f"{type(target).__name__} has no {name}")
        setattr(target, name, value)


def _handler(order: Order) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        given = await request.json() if request.can_read_body else {}
        try:
            result = order(given)
            if isinstance(result, Awaitable):
                result = await result
        except Exception as wrong:  # noqa: BLE001  # told to whoever gave the order
            return web.json_response({"error": f"{type(wrong).__name__}: {wrong}"}, status=400)
        return web.json_response(result)
    return handle
