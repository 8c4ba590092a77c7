"""Fine-tuning jobs: create, list, retrieve, cancel, pause, resume, events, checkpoints."""

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from tests.remote import datasets, orders, paging, refusals
from tests.remote.accounts import Account
from tests.remote.calls import Call, answer
from tests.remote.datasets import Problem, Reading
from tests.remote.jobs import Job
from tests.remote.models import AT_AZURE, BY_NAME, Base
from tests.remote.orders import Order
from tests.remote.refusals import Refusal
from tests.remote.world import World


async def create(call: Call) -> web.Response:
    body = await call.json()
    if call.account.standing == "closed":
        raise refusals.training_closed()
    if call.account.standing == "quota":
        raise refusals.quota_spent()
    order = orders.read(body)
    job = make(call.world, call.account, order, call.now, azure=call.is_dated)
    call.world.training.begin(call.account, job)
    return answer(job.wire(), call.made)


def make(world: World, account: Account, order: Order, now: float, *, azure: bool = False) -> Job:
    """Raises Refusal for a model or file that cannot be trained on."""
    base = _base(world, account, order, now)
    reading = _file(account, "training_file", order.training_file, order.method)
    if order.validation_file is not None:
        validation = _file(account, "validation_file", order.validation_file, order.method)
        reading = reading if reading.problem or not validation.problem else validation
    problem = reading.problem
    if problem is None and world.names.random.random() < world.behaviour.failing_share:
        problem = Problem("server_error", "The job failed due to an internal error", "")
    return Job(
        world.names.job(azure=azure), base, now, account.organization, order.training_file, order.validation_file,
        order.method, order.options, order.suffix, order.seed if order.seed is not None else world.names.seed(),
        order.metadata if world.behaviour.keeps_metadata else None, order.integrations, reading.examples,
        reading.tokens, problem, steps=max(reading.examples, 1), step_seconds=world.pace.step,
        visible_at=now + world.behaviour.list_lag, azure=azure)


def _base(world: World, account: Account, order: Order, now: float) -> Base:
    tuned = account.models.get(order.model)
    known = BY_NAME | AT_AZURE
    base = tuned.base if tuned is not None and not tuned.deleted else known.get(order.model)
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    if base is None or (world.behaviour.honours_retirement and (base.shutdown_date or "9999") <= today):
        raise refusals.not_tunable(order.model)
    if order.method not in base.methods:
        raise Refusal(400, f"Model {base.id} does not support the training method {order.method}.", param="method",
                      code="unsupported_method")
    return base


def _file(account: Account, field: str, file_id: str, method: str) -> Reading:
    file = account.files.get(file_id)
    if file is None or file.purpose != "fine-tune":
        raise refusals.bad_file(field, file_id)
    known: Reading | None = file.readings.get(f"{method}/{field}")
    return known or file.readings.setdefault(f"{method}/{field}", datasets.read(file.content, method, field))


async def index(call: Call) -> web.Response:
    behaviour = call.world.behaviour
    limit = paging.limit(call.request, 20, behaviour.page_limit)
    found = paging.jobs(call.account, call.request, call.now, filters=behaviour.filters_metadata)
    return paging.page((job.rendered() for job in found), limit)


async def retrieve(call: Call) -> web.Response:
    return web.Response(body=_job(call).rendered(), content_type="application/json")


def _job(call: Call) -> Job:
    return call.account.job(call.name("job"))


async def cancel(call: Call) -> web.Response:
    return _ask(call, call.world.training.cancel)


async def pause(call: Call) -> web.Response:
    return _ask(call, call.world.training.pause)


async def resume(call: Call) -> web.Response:
    return _ask(call, call.world.training.resume)


def _ask(call: Call, verb: Callable[[Account, Job, float], None]) -> web.Response:
    job = _job(call)
    verb(call.account, job, call.now)
    return answer(job.wire())


async def events(call: Call) -> web.Response:
    job, limit = _job(call), paging.limit(call.request, 20, call.world.behaviour.page_limit)
    call.world.training.catch_up(job, call.now)
    cursor = call.request.query.get("after")
    rest = paging.after(call.world.training.unfold(job)[::-1], lambda event: event.id, cursor,
                        Refusal(404, f"No such event: {cursor}", param="after"))
    return answer({"object": "list", "data": [event.wire() for event in rest[:limit]], "has_more": len(rest) > limit})


async def checkpoints(call: Call) -> web.Response:
    job, limit = _job(call), paging.limit(call.request, 10, call.world.behaviour.page_limit)
    cursor = call.request.query.get("after")
    rest = paging.after(job.checkpoints[::-1], lambda each: each.id, cursor,
                        Refusal(404, f"No such checkpoint: {cursor}", param="after"))
    shown = rest[:limit]
    return answer({"object": "list", "data": [each.wire() for each in shown], "has_more": len(rest) > limit,
                   "first_id": shown[0].id if shown else None, "last_id": shown[-1].id if shown else None})
