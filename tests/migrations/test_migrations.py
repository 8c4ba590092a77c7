"""The schema: up, down, up again; what the tables say and what the migrations made are the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from service.embedded.postgres import EmbeddedPostgres
from service.kit.database import sqlalchemy_url
from service.settings import settings

CONFIG = Config(toml_file=Path(__file__).parents[2] / "pyproject.toml")


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = postgres.create_database("migrations")
    monkeypatch.setenv("TUNEWORKS_DATABASE_URL", url)
    settings.cache_clear()
    yield url
    settings.cache_clear()


def tables(url: str) -> set[str]:
    engine = create_engine(sqlalchemy_url(url))
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_up_down_up_and_nothing_left_to_do(empty_database: str) -> None:
    command.upgrade(CONFIG, "head")
    made = tables(empty_database)
    command.downgrade(CONFIG, "base")
    assert tables(empty_database) == {"alembic_version"}
    command.upgrade(CONFIG, "head")
    assert tables(empty_database) == made
    command.check(CONFIG)


def test_the_history_has_one_head() -> None:
    assert len(ScriptDirectory.from_config(CONFIG).get_heads()) == 1
