"""Keys are recognised, refused, and confined to what they may see."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from service.kit.database import NOBODY, transaction
from tests.fixtures.api import Tenant


def test_an_unknown_url_answers_in_the_envelope(app_client: TestClient) -> None:
    answer = app_client.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"error": {"message": "Invalid URL (GET /v1/nothing)",
                                       "type": "invalid_request_error", "param": None, "code": None}}
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("table", ["projects", "api_keys", "organizations"])
def test_nobody_sees_nothing(tenant: Tenant, table: str) -> None:
    with transaction(NOBODY) as session:
        assert session.execute(text(f"select count(*) from {table}")).scalar_one() == 0
    with transaction(tenant.scope) as session:
        assert session.execute(text("select count(*) from projects")).scalar_one() == 1
