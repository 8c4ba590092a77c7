"""Nine days of a moved clock: all that can be delivered is, the rest says why not, and nothing bears a second id."""

import asyncio

import pytest

from service.settings import settings
from tests.fixtures.api import Tenant
from tests.system.webhook_campaign import HEALTHY, Campaign, Plan


def test_everything_is_delivered_or_says_why_not(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_TIMEOUT_SECONDS", "0.7")
    settings.cache_clear()
    try:
        outcome = asyncio.run(Campaign(Plan(healthy=6, events=4), tenant.project_id).run())
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert outcome.broken == []
    rows = outcome.by_habit
    assert (rows[HEALTHY].states["delivered"], rows[HEALTHY].attempts) == (24, 24)
    assert rows["down for a day"].attempts > 4, "it was never down"
    assert {habit: dict(row.causes) for habit, row in rows.items() if row.causes} == {
        "dead": {"connect": 4}, "hangs": {"timeout": 4}, "resets": {"reset": 4}, "redirects": {"redirect": 4},
        "gone": {"gone": 1}}
    for habit in ("dead", "hangs", "redirects"):
        assert rows[habit].attempts == 40, habit
    assert [row.habit for row in outcome.rows if row.disabled] == ["gone"]
    assert outcome.disabled_told == 1
