"""Every route, called with another tenant's ids: the answer is the one for ids that do not exist, to the byte."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.isolation.estate import MAKERS, Estate, possessions, settle, unlike
from tests.isolation.routes import Route, normal, routes

WITH_IDS = [route for route in routes() if route.path_parameters and not route.is_public]
SHARED = {"listModels": "base models are everybody's", "listWebhookEventTypes": "names of events are everybody's"}
"""Lists that may be alike for all; they must still show no row of another's."""
EVERYTHING = {"streamEvents": "from=beginning"}
"""What to ask a list for that does not begin with what there is."""


@pytest.fixture
def owner(app_client: TestClient) -> Estate:
    return settle(app_client, "Owner")


@pytest.fixture
def intruder(app_client: TestClient) -> Estate:
    """Another organization with a project of its own."""
    return settle(app_client, "Intruder")


def client_for(estate: Estate, route: Route) -> TestClient:
    return estate.admin if route.is_administrative else estate.tenant.client


def call(client: TestClient, route: Route, ids: dict[str, str]) -> Any:
    return client.request(route.method, route.url(ids), **route.request())


def combinations(route: Route, own: dict[str, str], foreign: dict[str, str]) -> list[dict[str, str]]:
    """Ids with one foreign among own ones, for each parameter, and with all of them foreign."""
    return [{**own, name: foreign[name]} for name in route.path_parameters] + [{**own, **foreign}]


def test_every_path_parameter_has_a_maker() -> None:
    missing = {name for route in WITH_IDS for name in route.path_parameters} - set(MAKERS)
    assert not missing, f"add makers for {sorted(missing)} to MAKERS in tests/isolation/estate.py"


def test_a_foreign_id_is_answered_like_an_unknown_one(owner: Estate, intruder: Estate) -> None:
    unknown = {name: unlike(value) for name, value in owner.ids.items()}
    before = possessions(owner)
    wrong: dict[str, Any] = {}
    for route in WITH_IDS:
        client = client_for(intruder, route)
        for foreign, nobodys in zip(combinations(route, intruder.ids, owner.ids),
                                    combinations(route, intruder.ids, unknown), strict=True):
            refused, expected = call(client, route, foreign), call(client, route, nobodys)
            told = (refused.status_code, sorted(refused.headers), normal(refused.text, *owner.ids.values()))
            model = (404, sorted(expected.headers), normal(expected.text, *unknown.values()))
            if told != model or expected.status_code != 404:
                wrong[f"{route} {foreign}"] = (told, (expected.status_code, *model[1:]))
    assert wrong == {}
    assert possessions(owner) == before


def test_the_owner_finds_what_the_intruder_does_not(owner: Estate) -> None:
    """Otherwise the test above would be content with routes that find nothing at all."""
    missed = [str(route) for route in WITH_IDS if route.method == "GET"
              and call(client_for(owner, route), route, owner.ids).status_code != 200]
    assert missed == []


def test_no_list_shows_a_row_of_another(owner: Estate, intruder: Estate) -> None:
    shown: dict[str, Any] = {}
    for route in routes():
        if route.method != "GET" or route.path_parameters or route.is_public:
            continue
        everything = EVERYTHING.get(route.operation, "limit=100")
        for url in (route.path, f"{route.path}?{everything}"):
            answer = client_for(intruder, route).get(url)
            assert answer.status_code == 200, (url, answer.text)
            seen = {mark for mark in owner.marks | set(owner.ids.values()) if mark in answer.text}
            if seen:
                shown[url] = seen
        own = client_for(owner, route).get(f"{route.path}?{everything}").text
        if route.operation not in SHARED and not any(each in own for each in owner.marks | set(owner.ids.values())):
            shown[route.path] = "shows its owner nothing, so that it proves nothing"
    assert shown == {}


def test_a_foreign_cursor_is_answered_like_an_unknown_one(owner: Estate, intruder: Estate) -> None:
    cursors = {name: sorted(owner.marks)[number] for number, name in enumerate(("first", "second"))}
    wrong = {}
    for route in routes():
        if "after" not in route.query_parameters:
            continue
        for real in (*owner.ids.values(), *cursors.values()):
            unknown = unlike(real)
            client, url = client_for(intruder, route), route.url(intruder.ids)
            refused, expected = (client.get(url, params={"after": each}) for each in (real, unknown))
            if (refused.status_code, normal(refused.text, real)) != (400, normal(expected.text, unknown)):
                wrong[f"{route} {real}"] = (refused.status_code, refused.text, expected.text)
    assert wrong == {}


@pytest.mark.parametrize("field", ["training_file", "validation_file", "model"])
def test_a_foreign_id_in_a_jobs_body_is_answered_like_an_unknown_one(owner: Estate, intruder: Estate,
                                                                      field: str) -> None:
    real = owner.ids["model" if field == "model" else "file_id"]
    unknown = unlike(real)
    body = {"model": "smollm2-135m-instruct", "training_file": intruder.ids["file_id"]}
    refused, expected = (intruder.tenant.client.post("/v1/fine_tuning/jobs", json={**body, field: each})
                         for each in (real, unknown))
    assert (refused.status_code, normal(refused.text, real)) == (400, normal(expected.text, unknown))


def test_every_route_wants_a_key(app_client: TestClient, owner: Estate) -> None:
    open_doors = {}
    for route in routes():
        for key in (None, "Bearer nonsense", "Bearer tw-proj-" + "a" * 38, "Basic abc", "Bearer "):
            headers = {} if key is None else {"authorization": key}
            answer = app_client.request(route.method, route.url(owner.ids), headers=headers, **route.request())
            if (answer.status_code == 401) is route.is_public:
                open_doors[f"{route} with {key}"] = answer.status_code
    assert open_doors == {}


def test_a_key_of_the_other_kind_opens_nothing(owner: Estate) -> None:
    before = possessions(owner)
    opened = {}
    for route in routes():
        if route.is_public:
            continue
        client = owner.tenant.client if route.is_administrative else owner.admin
        answer = call(client, route, owner.ids)
        wanted = "admin_key_required" if route.is_administrative else "project_key_required"
        if (answer.status_code, answer.json().get("error", {}).get("code")) != (403, wanted):
            opened[str(route)] = (answer.status_code, answer.text)
    assert opened == {}
    assert possessions(owner) == before
