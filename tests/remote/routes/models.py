"""Models: list, retrieve, delete."""

from aiohttp import web

from tests.remote import refusals
from tests.remote.accounts import Account
from tests.remote.calls import Call, answer
from tests.remote.models import BY_NAME, Tuned
from tests.remote.refusals import Refusal


async def index(call: Call) -> web.Response:
    tuned = [model.wire() for model in call.account.models.values() if not model.deleted]
    return answer({"object": "list", "data": [base.wire(name) for name, base in BY_NAME.items()] + tuned})


async def retrieve(call: Call) -> web.Response:
    name = call.name("model")
    if name in BY_NAME:
        return answer(BY_NAME[name].wire(name))
    return answer(find(call.account, name).wire())


async def delete(call: Call) -> web.Response:
    name = call.name("model")
    if name in BY_NAME:
        raise Refusal(403, f"You have insufficient permissions for this operation on the model '{name}'.")
    model = find(call.account, name)
    model.deleted = True
    return answer({"id": name, "object": "model", "deleted": True})


def find(account: Account, name: str) -> Tuned:
    model = account.models.get(name)
    if model is None or model.deleted:
        raise refusals.unknown_model(name)
    return model
