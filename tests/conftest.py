"""Fixtures of every test; each lives in the module of tests/fixtures that says what it is for."""

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.api", "tests.fixtures.broker",
                  "tests.fixtures.server", "tests.fixtures.receiver"]
