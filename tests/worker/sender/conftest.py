"""One sender in this process, whose clock stands still."""

import pytest

from tests.worker.sender.driving import Driver


@pytest.fixture
def send(clean_database: None) -> Driver:
    return Driver()
