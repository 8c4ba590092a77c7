"""Models that stand in for dead ones: made and refused, followed along their chain, each project's own."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.catalog import mappings
from service.catalog.errors import MappingTooLong, ModelNotFound, SuccessorDead
from service.catalog.tables import ModelMapping
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.fixtures.lives import write_lives
from tests.service.catalog.test_models import make_model

ROUTE = "/v1/model_mappings"
CHAIN = [f"m{number}" for number in range(12)]


@pytest.fixture(autouse=True)
def catalog(own_catalog: Path) -> None:
    write_lives(own_catalog, living=None, dying=20, dead=-1, dead_too=-1, **{
        "smollm2-135m-instruct": None, **dict.fromkeys(CHAIN[:10], -1), **dict.fromkeys(CHAIN[10:])})


def put(tenant: Tenant, model: str, successor: str, **more: Any) -> Any:
    return tenant.client.post(ROUTE, json={"model": model, "successor": successor, **more})


def refused(answer: Any, status: int, param: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param
    return str(answer.json()["error"]["code"])


def answers_for(tenant: Tenant, name: str, **more: Any) -> tuple[str, str | None]:
    with transaction(tenant.scope) as session:
        found = mappings.answering(session, name, **more)
        return found.model.name, found.headers.get(mappings.ANSWERED_BY)


def trained_for(tenant: Tenant, name: str) -> str:
    with transaction(tenant.scope) as session:
        return mappings.stand_in(session, name)


def test_it_is_made_listed_read_and_deleted(tenant: Tenant) -> None:
    made = put(tenant, "dead", "living").json()
    assert (made["object"], made["model"], made["successor"], made["always"]) == (
        "model_mapping", "dead", "living", False)
    second = put(tenant, "ft:gone", "living").json()
    page = tenant.client.get(ROUTE, params={"limit": 1}).json()
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([second["id"]], True)
    after = tenant.client.get(ROUTE, params={"after": second["id"]}).json()
    assert [each["id"] for each in after["data"]] == [made["id"]]
    assert [each["model"] for each in tenant.client.get(ROUTE, params={"model": "dead"}).json()["data"]] == ["dead"]
    assert tenant.client.get(f"{ROUTE}/{made['id']}").json() == made
    assert tenant.client.delete(f"{ROUTE}/{made['id']}").json() == {
        "id": made["id"], "object": "model_mapping", "deleted": True}
    assert refused(tenant.client.get(f"{ROUTE}/{made['id']}"), 404, "model_mapping_id") == "model_mapping_not_found"
    assert refused(tenant.client.delete(f"{ROUTE}/{made['id']}"), 404, "model_mapping_id")


def test_what_is_dead_or_unknown_is_answered_by_its_successor_and_what_lives_by_itself(tenant: Tenant) -> None:
    for model in ("dead", "ft:gpt-4o:acme::12345678", "dying"):
        assert put(tenant, model, "living").status_code == 200
    assert answers_for(tenant, "dead") == ("living", "living")
    assert answers_for(tenant, "ft:gpt-4o:acme::12345678") == ("living", "living")
    assert answers_for(tenant, "dying") == ("dying", None)
    assert answers_for(tenant, "dying", is_gone=True) == ("living", "living")
    assert answers_for(tenant, "dead_too") == ("dead_too", None)


def test_always_means_while_it_lives_too(tenant: Tenant) -> None:
    put(tenant, "dying", "living", always=True)
    assert answers_for(tenant, "dying") == ("living", "living")
    assert trained_for(tenant, "dying") == "living"


def test_a_chain_is_followed_as_far_as_its_links_are_dead(tenant: Tenant) -> None:
    put(tenant, "dying", "living")
    put(tenant, "dead", "dying")
    put(tenant, "ft:gone", "dead")
    assert answers_for(tenant, "ft:gone") == ("dying", "dying")
    assert trained_for(tenant, "ft:gone") == "dying"


def test_a_circle_is_refused_however_long(tenant: Tenant) -> None:
    assert refused(put(tenant, "dead", "dead"), 400, "successor") == "model_mapping_cycle"
    put(tenant, "living", "dying")
    assert refused(put(tenant, "dying", "living"), 400, "successor") == "model_mapping_cycle"
    put(tenant, "dying", "m10")
    assert refused(put(tenant, "m10", "living"), 400, "successor") == "model_mapping_cycle"


def test_a_circle_cannot_be_closed_by_two_at_once(tenant: Tenant) -> None:
    pairs = [("living", "dying"), ("dying", "living")] * 3
    with ThreadPoolExecutor(len(pairs)) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda pair: put(tenant, *pair), pairs))
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 400, 409}


def test_a_chain_of_more_than_ten_is_refused_at_either_end(tenant: Tenant) -> None:
    for model, successor in reversed(list(pairwise(CHAIN[:11]))):
        assert put(tenant, model, successor).status_code == 200
    assert answers_for(tenant, "m0") == ("m10", "m10")
    assert refused(put(tenant, "m10", "m11"), 400, "model") == "model_mapping_too_long"
    assert refused(put(tenant, "ft:gone", "m0"), 400, "model") == "model_mapping_too_long"


def test_a_model_is_mapped_once(tenant: Tenant) -> None:
    put(tenant, "dead", "living")
    assert refused(put(tenant, "dead", "dying"), 409, "model") == "model_mapping_exists"


def test_a_successor_that_was_deleted_since_is_named(tenant: Tenant) -> None:
    name = make_model(tenant)
    put(tenant, "ft:gone", name)
    assert answers_for(tenant, "ft:gone") == (name, name)
    assert tenant.client.delete(f"/v1/models/{name}").status_code == 200
    with pytest.raises(SuccessorDead, match=name):
        answers_for(tenant, "ft:gone")


def test_another_projects_models_and_mappings_are_as_if_they_were_not_there(tenant: Tenant, stranger: Tenant) -> None:
    name = make_model(tenant)
    theirs = refused(put(stranger, "ft:gone", name), 400, "successor")
    assert theirs == refused(put(stranger, "ft:gone", "ft:never"), 400, "successor") == "model_not_found"
    made = put(tenant, "ft:gone", name).json()
    assert stranger.client.get(f"{ROUTE}/{made['id']}").status_code == 404
    assert stranger.client.delete(f"{ROUTE}/{made['id']}").status_code == 404
    assert stranger.client.get(ROUTE).json()["data"] == []
    with pytest.raises(ModelNotFound):
        answers_for(stranger, "ft:gone")
    assert put(stranger, "ft:gone", "living").status_code == 200


def test_workers_map_a_model_to_what_was_trained_in_its_place_but_never_in_a_circle(tenant: Tenant) -> None:
    put(tenant, "dead", "living")
    put(tenant, "dead_too", "dead")

    def adopt(model: str, successor: str) -> bool:
        with transaction(tenant.scope) as session:
            return mappings.adopt(session, project_id=tenant.project_id, model=model, successor=successor,
                                  by="ftjob-new").is_made
    assert not adopt("dead", "dying")  # somebody made that mapping by hand
    assert answers_for(tenant, "dead_too") == ("living", "living")
    [by_hand] = tenant.client.get(ROUTE, params={"model": "dead"}).json()["data"]
    tenant.client.delete(f"{ROUTE}/{by_hand['id']}")
    assert adopt("dead", "living")
    assert adopt("dead", "dying")  # over what an older job made
    assert tenant.client.get(ROUTE, params={"model": "dead"}).json()["data"][0]["always"]
    assert answers_for(tenant, "dead_too") == ("dying", "dying")
    assert not adopt("dead", "dead_too")
    assert answers_for(tenant, "dead_too") == ("dying", "dying")


def test_a_mapping_is_changed_field_by_field(tenant: Tenant, stranger: Tenant) -> None:
    made = put(tenant, "living", "dying").json()
    route = f"{ROUTE}/{made['id']}"
    assert answers_for(tenant, "living") == ("living", None)
    assert tenant.client.post(route, json={"always": True}).json() == made | {"always": True}
    assert answers_for(tenant, "living") == ("dying", "dying")
    put(tenant, "ft:gone", "living")
    assert tenant.client.post(route, json={"successor": "m10"}).json()["successor"] == "m10"
    assert answers_for(tenant, "ft:gone") == ("m10", "m10")
    assert refused(tenant.client.post(route, json={"successor": "living"}), 400, "successor") == "model_mapping_cycle"
    assert refused(tenant.client.post(route, json={"successor": "ft:never"}), 400, "successor") == "model_not_found"
    for wrong in ({"model": "a"}, {"always": "yes"}, {"successor": ""}):
        assert tenant.client.post(route, json=wrong).status_code == 400
    assert refused(stranger.client.post(route, json={"always": False}), 404, "model_mapping_id") == (
        "model_mapping_not_found")
    assert tenant.client.get(route).json() == made | {"successor": "m10", "always": True}


def test_what_is_shut_down_answers_for_no_other_unless_another_answers_for_it(tenant: Tenant) -> None:
    answer = put(tenant, "ft:gone", "dead")
    assert refused(answer, 400, "successor") == "model_shut_down"
    assert "was shut down on 20" in answer.json()["error"]["message"]
    made = put(tenant, "ft:gone", "living").json()
    changed = tenant.client.post(f"{ROUTE}/{made['id']}", json={"successor": "dead"})
    assert refused(changed, 400, "successor") == "model_shut_down"
    put(tenant, "dead", "living")
    assert put(tenant, "ft:lost", "dead").status_code == 200
    assert answers_for(tenant, "ft:lost") == ("living", "living")


@pytest.mark.parametrize("body", [{}, {"model": "a"}, {"model": "", "successor": "living"},
                                  {"model": "a\x00", "successor": "living"}, {"model": 1, "successor": "living"},
                                  {"model": "a" * 257, "successor": "living"},
                                  {"model": "a", "successor": "living", "always": "yes"},
                                  {"model": "a", "successor": "living", "more": 1}])
def test_what_is_wrong_with_a_body_is_said(tenant: Tenant, body: dict[str, Any]) -> None:
    assert tenant.client.post(ROUTE, json=body).status_code == 400


def test_a_circle_that_came_about_otherwise_ends(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        for number, pair in enumerate([("dead", "dead_too"), ("dead_too", "dead")]):
            session.add(ModelMapping(id=f"mmap_{number}", project_id=tenant.project_id, model=pair[0],
                                     successor=pair[1], created_by="nobody"))
    with pytest.raises(MappingTooLong):
        answers_for(tenant, "dead")
