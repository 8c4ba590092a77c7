"""Imports over HTTP: asked for, listed, looked into; what is wrong is said in the envelope."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from service.imports.operations.counting import count, note
from service.imports.tables import Import
from service.kit.database import transaction
from service.kit.identifiers import new_id
from tests.fixtures.api import Tenant

IMPORTS = "/v1/imports"


def store(tenant: Tenant, name: str = "old", provider: str = "openai") -> str:
    answer = tenant.client.post("/v1/credentials", json={"provider": provider, "name": name, "secret": "sk-0123456789"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def make_import(tenant: Tenant, **fields: Any) -> str:
    with transaction(tenant.scope) as session:
        row = Import(id=new_id("import_"), project_id=tenant.project_id, credential_id="cred_1", provider="openai",
                     **{"status": "succeeded", **fields})
        session.add(row)
        session.flush()
        return row.id


def refusal(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def test_a_new_import_waits_for_its_worker(tenant: Tenant) -> None:
    credential = store(tenant)
    made = tenant.client.post(IMPORTS, json={"provider": "openai", "credential": "old"}).json()
    assert (made["object"], made["status"], made["stage"], made["credential"], made["percent"]) == (
        "import", "queued", "files", credential, None)
    assert made["counts"]["files"] == {"found": 0, "imported": 0, "present": 0, "problems": 0, "bytes_found": 0,
                                       "bytes_imported": 0}
    assert tenant.client.get(f"{IMPORTS}/{made['id']}").json() == made
    with transaction(tenant.scope) as session:
        assert session.connection().exec_driver_sql(
            "select subject from work_items where kind = 'imports.run'").scalars().all() == [made["id"]]


def test_the_credential_must_be_there_and_of_that_provider(tenant: Tenant, stranger: Tenant) -> None:
    store(stranger, "theirs")
    assert refusal(tenant.client.post(IMPORTS, json={"provider": "openai"}), 400)["code"] == "no_credential"
    store(tenant)
    for wanted, provider in (("theirs", "openai"), ("old", "azure")):
        error = refusal(tenant.client.post(IMPORTS, json={"provider": provider, "credential": wanted}), 400)
        assert (error["code"], error["param"]) == ("credential_not_found", "credential")


def test_of_many_who_ask_at_once_one_is_told_yes(tenant: Tenant) -> None:
    store(tenant)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: tenant.client.post(IMPORTS, json={"provider": "openai"}), range(16)))
    assert sorted(Counter(answer.status_code for answer in answers).values()) == [1, 15]
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code != 200} == {"import_in_progress"}


@pytest.mark.parametrize("body", [{}, {"provider": "bedrock"}, {"provider": "local"}, {"provider": "openai", "x": 1},
                                  {"provider": "openai", "dry_run": "yes"}, {"provider": "openai", "credential": ""}])
def test_bodies_that_mean_nothing_are_refused(tenant: Tenant, body: dict[str, Any]) -> None:
    assert refusal(tenant.client.post(IMPORTS, json=body), 400)["type"] == "invalid_request_error"


def test_unknown_imports_and_those_of_others_answer_alike(tenant: Tenant, stranger: Tenant) -> None:
    theirs = make_import(stranger)
    for path in ("", "/problems"):
        for import_id in (theirs, "import_unknown"):
            error = refusal(tenant.client.get(f"{IMPORTS}/{import_id}{path}"), 404)
            assert error == {"message": f"No import found with id '{import_id}'.", "type": "invalid_request_error",
                             "param": "import_id", "code": "import_not_found"}
    for verb in ("cancel", "resume"):
        assert refusal(tenant.client.post(f"{IMPORTS}/{theirs}/{verb}"), 404)["code"] == "import_not_found"


def test_lists_are_paged_newest_first_and_problems_in_their_order(tenant: Tenant) -> None:
    made = [make_import(tenant) for _ in range(3)]
    first = tenant.client.get(IMPORTS, params={"limit": 2}).json()
    assert ([each["id"] for each in first["data"]], first["has_more"]) == ([made[2], made[1]], True)
    rest = tenant.client.get(IMPORTS, params={"limit": 2, "after": first["last_id"]}).json()
    assert [each["id"] for each in rest["data"]] == [made[0]]
    with transaction(tenant.scope) as session:
        row = session.scalars(select(Import).where(Import.id == made[0])).one()
        for number in range(3):
            note(session, row, "file", f"file-{number}", code="gone", reason="It is gone.")
            note(session, row, "file", f"file-{number}", code="gone", reason="Told once.")
        note(session, row, "job", "ftjob-1", code="not_ended", reason="It runs.")
    problems = f"{IMPORTS}/{made[0]}/problems"
    page = tenant.client.get(problems, params={"limit": 2}).json()
    assert [each["remote_id"] for each in page["data"]] == ["file-0", "file-1"]
    after = tenant.client.get(problems, params={"after": page["last_id"]}).json()
    assert [each["remote_id"] for each in after["data"]] == ["file-2", "ftjob-1"]
    assert len(tenant.client.get(problems, params={"kind": "job"}).json()["data"]) == 1


def test_progress_is_what_is_settled_of_what_was_listed(tenant: Tenant) -> None:
    import_id = make_import(tenant, status="running", stage="contents")
    with transaction(tenant.scope) as session:
        row = session.scalars(select(Import).where(Import.id == import_id)).one()
        count(row, "file", found=8, imported=2, present=1, problems=1)
        count(row, "job", found=8)
    assert tenant.client.get(f"{IMPORTS}/{import_id}").json()["percent"] == 25.0


@pytest.mark.parametrize(("status", "verb"), [("succeeded", "cancel"), ("failed", "cancel"), ("running", "resume"),
                                              ("succeeded", "resume")])
def test_what_has_ended_is_not_ended_again_and_what_runs_is_not_resumed(tenant: Tenant, status: str,
                                                                        verb: str) -> None:
    import_id = make_import(tenant, status=status)
    assert refusal(tenant.client.post(f"{IMPORTS}/{import_id}/{verb}"), 400)["code"] == "invalid_import_state"
