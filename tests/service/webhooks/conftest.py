"""A real sender at hand, which sends what is due by the database's clock."""

from collections.abc import Callable

import pytest

from service.kit.database import DISPATCH, database_now, transaction
from tests.worker.sender.driving import Driver

Deliver = Callable[[], None]


@pytest.fixture
def deliver(clean_database: None) -> Deliver:
    """Calling it plans and sends all that is due by now."""
    driver = Driver()

    def send() -> None:
        with transaction(DISPATCH) as session:
            driver.clock.now = database_now(session)
        driver()
    return send
