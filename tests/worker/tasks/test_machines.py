"""A machine says what it trains on, and speeds are remembered without saying whose they are."""

import pytest
from sqlalchemy import text

from service.catalog import operations as catalog
from service.catalog import queries
from service.catalog.machines import gpu
from service.kit.database import NOBODY, transaction
from service.settings import MiB
from tests.fixtures.api import Tenant
from worker.tasks import machines


def test_this_machine_is_noted_once_however_often_it_tells(clean_database: None) -> None:
    machines.note_machine()
    with transaction(NOBODY) as session:
        [before] = queries.machines(session)
        session.execute(text("update training_machines set seen_at = now() - interval '2 days'"))
    machines.note_machine()
    with transaction(NOBODY) as session:
        [after] = queries.machines(session)
    assert (before.id, before.device) == (after.id, after.device)
    assert after.memory_bytes > 2**30
    if after.kind == "cpu":
        assert after.cores >= 1
        assert after.gflops is not None
        assert after.gflops > 0.1


def test_one_that_has_not_been_heard_of_for_days_is_not_counted_on(clean_database: None) -> None:
    machines.note_machine()
    with transaction(NOBODY) as session:
        session.execute(text("update training_machines set seen_at = now() - interval '4 days'"))
    with transaction(NOBODY) as session:
        assert queries.machines(session) == []


@pytest.mark.parametrize(("line", "name"), [
    ("NVIDIA H200, 143771", "NVIDIA H200"), ("Tesla, V100, 16160", "Tesla, V100"), ("NVIDIA GB10, [N/A]", None),
    ("", None), ("No devices were found", None)])
def test_the_drivers_answer_is_read(line: str, name: str | None) -> None:
    device = gpu(line)
    assert (device.name if device else None) == name
    if name == "NVIDIA H200":
        assert device is not None
        assert device.memory_bytes == 143_771 * MiB


def test_speeds_of_jobs_are_kept_by_device_and_short_jobs_are_not(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        for tokens, seconds in ((1000, 10.0), (3000, 10.0), (10, 0.1)):
            catalog.note_rate(session, base_model="m", tuning="lora", device="H200", tokens=tokens, seconds=seconds)
    with transaction(NOBODY) as session:
        assert queries.rates(session, "m", "lora") == {"H200": [300.0, 100.0]}
        assert queries.rates(session, "m", "full") == {}
