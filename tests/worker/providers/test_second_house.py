"""A second Tuneworks as the server that is paid: an order that is sent again under its key makes no second job."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import func, select

from service.jobs.tables import Job
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, make_file
from tests.worker.providers.bodies import Opened, order
from worker.providers.compatible.remote import CompatibleRemote
from worker.providers.remote import Ambiguous


@pytest.fixture
def client(tenant: Tenant, live_api: str) -> Iterator[CompatibleRemote]:
    opened = Opened(provider="compatible", base_url=f"{live_api}/v1", secret=tenant.key)
    with closing(CompatibleRemote(opened, allow_private=True)) as opened_client:
        yield opened_client


def jobs(tenant: Tenant) -> int:
    with transaction(tenant.scope) as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def test_an_order_that_is_repeated_is_the_same_job(client: CompatibleRemote, tenant: Tenant) -> None:
    wanted = order(model=BASE, training_file=make_file(tenant))
    first, second = client.create(wanted), client.create(wanted)
    assert (first.id, first.key) == (second.id, wanted.key)
    assert jobs(tenant) == 1


def test_an_order_in_other_words_under_the_same_key_makes_nothing_and_is_looked_for(client: CompatibleRemote,
                                                                                   tenant: Tenant) -> None:
    wanted = order(model=BASE, training_file=make_file(tenant))
    made = client.create(wanted)
    with pytest.raises(Ambiguous, match="used before for another request"):
        client.create(order(model=BASE, training_file=make_file(tenant)))
    assert [job.id for job in client.find(wanted.key)] == [made.id]
    assert jobs(tenant) == 1
