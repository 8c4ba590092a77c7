"""The page under /docs tells every route, and needs nothing from elsewhere."""

import re

from fastapi.testclient import TestClient

from service.app import create_app


def test_names_every_route_once(app_client: TestClient) -> None:
    page = app_client.get("/docs").text
    for path, methods in create_app().openapi()["paths"].items():
        for described in methods.values():
            assert page.count(f'<details id="{described["operationId"]}">') == 1, path


def test_loads_nothing(app_client: TestClient) -> None:
    page = app_client.get("/docs").text
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_spells_out_what_is_inside(app_client: TestClient) -> None:
    page = app_client.get("/docs").text
    assert "<td><code>method.supervised.tuning.rank</code></td>" in page
    assert '<td class="type">string, required</td>' in page


def test_what_the_description_says_is_text(app_client: TestClient) -> None:
    assert "&quot;supervised&quot; | &quot;dpo&quot;" in app_client.get("/docs").text
