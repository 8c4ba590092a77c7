"""A deleted model's files leave the object store, and nobody else's do."""

from sqlalchemy import text

from service.kit.database import DISPATCH, transaction
from service.kit.storage import storage
from service.kit.work import Work, enqueue
from tests.fixtures.api import Tenant
from worker import app as framework
from worker.tasks import files

_ITEMS = text("select id from work_items where kind = 'files.erase' and subject = :subject")


def test_everything_under_a_prefix_is_erased_and_nothing_beside_it(tenant: Tenant) -> None:
    mine = f"projects/{tenant.project_id}/jobs/ftjob-1/checkpoints/step-1"
    for key in (f"{mine}/adapter.safetensors", f"{mine}/trainer/state", f"{mine}0/adapter.safetensors"):
        storage().write(key, b"weights")
    with transaction(tenant.scope) as session:
        enqueue(session, Work.ERASE_OBJECT, f"{mine}/", project_id=tenant.project_id)
    with transaction(DISPATCH) as session:
        item_id = session.execute(_ITEMS, {"subject": f"{mine}/"}).scalar_one()
    framework.run(files.erase, item_id)
    assert storage().keys(f"projects/{tenant.project_id}/jobs") == [f"{mine}0/adapter.safetensors"]
    with transaction(DISPATCH) as session:
        assert session.execute(_ITEMS, {"subject": f"{mine}/"}).all() == []
