"""A process whose database is away says so once, with what to look at, and asks less and less often."""

import logging

import pytest

from worker.presence import Outage


def test_an_outage_is_told_once_and_waited_out_ever_longer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="worker.presence")
    outage = Outage("poller")
    waits = [outage.wait(ConnectionError("connection refused\nIs the server running?")) for _ in range(8)]
    assert waits == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    [told] = [each.getMessage() for each in caplog.records if each.levelno >= logging.INFO]
    for part in ("TUNEWORKS_DATABASE_URL", "tuneworks doctor", "TUNEWORKS_DATA_DIR", "connection refused."):
        assert part in told
    outage.over()
    assert outage.wait(ConnectionError("refused")) == 2.0
    assert [each.levelname for each in caplog.records if each.levelno >= logging.INFO] == ["WARNING", "INFO", "WARNING"]
