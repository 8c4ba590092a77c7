"""The account that these tests train in."""

from collections.abc import Iterator

import pytest

from tests.worker.providers.bedrock.account import Account, account


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as made:
        yield made
        assert made.breaches == [], "requests that AWS's own service model does not allow"
