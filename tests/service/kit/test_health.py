"""Alive as long as the process serves; ready as long as the database answers."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.fixtures.database import begin_anew


@pytest.fixture
def without_database(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings that point to a port where nobody listens, until the test ends."""
    monkeypatch.setenv("TUNEWORKS_DATABASE_URL", "postgresql://nobody:word@127.0.0.1:9/none")
    begin_anew()
    yield
    monkeypatch.undo()
    begin_anew()


def test_a_house_in_order(app_client: TestClient) -> None:
    assert app_client.get("/healthz").json() == app_client.get("/readyz").json() == {"status": "ok"}


def test_without_its_database_it_lives_but_is_not_ready(app_client: TestClient, without_database: None) -> None:
    assert app_client.get("/healthz").status_code == 200
    answer = app_client.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "word" not in answer.text
