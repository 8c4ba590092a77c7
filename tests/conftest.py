"""Fixtures of every test; each lives in the module of tests/fixtures that says what it is for."""

import random

import pytest

pytest_plugins = [
    "tests.fixtures.database", "tests.fixtures.api", "tests.fixtures.broker", "tests.fixtures.receiver",
    "tests.fixtures.server", "tests.fixtures.whole_house",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="repeat the random choices of an earlier run")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run's random choices; tests name it when they fail."""
    chosen: int | None = request.config.getoption("--seed")
    return random.SystemRandom().randrange(1_000_000) if chosen is None else chosen
