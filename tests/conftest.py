"""Fixtures of every test; each lives in the module of tests/fixtures that says what it is for."""

import pytest

pytest_plugins = [
    "tests.fixtures.database", "tests.fixtures.api", "tests.fixtures.broker", "tests.fixtures.receiver",
    "tests.fixtures.server", "tests.fixtures.whole_house", "tests.fixtures.catalog", "tests.fixtures.remote",
    "tests.fixtures.mail",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=1, help="seed of random choices; `make chaos` draws its own")
    parser.addoption("--estate", type=int, default=300, help="files that an import at scale brings; half as many jobs")
    parser.addoption("--examples", type=int, default=15, help="sequences of failures that a stateful test draws")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run's random choices; tests name it when they fail."""
    chosen: int = request.config.getoption("--seed")
    return chosen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole houses first: with tests spread over processes, none of the long ones is left for the end."""
    items.sort(key=lambda item: "tests/system/" not in item.nodeid)
