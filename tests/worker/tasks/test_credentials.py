"""A stored credential is tried on its server: what that says is noted, told once, and never repeats a secret."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web
from sqlalchemy import select, text

from service.catalog import operations as catalog
from service.credentials.operations import failing, record_check
from service.credentials.tables import Credential
from service.events.tables import Event
from service.kit.database import DISPATCH, transaction
from service.kit.work import MAX_CRASHES, MAX_FAILURES
from service.settings import settings
from tests.fixtures.api import Administrator, Tenant
from tests.fixtures.receiver import Handler, Receiver
from tests.service.credentials.storing import SECRET, store
from tests.service.jobs.building import until_somebody_waits
from tests.worker.tasks.running import work_off

LISTED = {"object": "list", "data": [
    {"id": "gpt-4o-mini-2024-07-18", "object": "model", "created": 1, "owned_by": "system"},
    {"id": "ft:gpt-4o-mini:acme::1", "object": "model", "created": 2, "owned_by": "acme",
     "shutdown_date": "2027-01-14"},
]}


def saying(status: int, body: object) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body),
                            content_type="application/json")
    return handle


def let_time_pass() -> None:
    with transaction(DISPATCH) as session:
        session.execute(text("update work_items set run_at = now() where state = 'pending'"))


def checked(tenant: Tenant, credential_id: str) -> dict[str, object]:
    """Have it checked and do that work; what the API shows then."""
    assert tenant.client.post(f"/v1/credentials/{credential_id}/check").status_code == 200
    let_time_pass()
    work_off(tenant)
    shown: dict[str, object] = tenant.client.get(f"/v1/credentials/{credential_id}").json()
    return shown


def told(tenant: Tenant) -> list[str]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(Event.type).order_by(Event.position)))


@pytest.fixture
def credential_id(tenant: Tenant, receiver: Receiver) -> str:
    receiver.answers = [saying(200, LISTED)]
    return str(store(tenant, "compatible", base_url=f"{receiver.url}/v1")["id"])


def test_a_server_that_takes_it_is_asked_once_and_its_models_are_shown(tenant: Tenant, receiver: Receiver,
                                                                       credential_id: str) -> None:
    work_off(tenant)
    shown = tenant.client.get(f"/v1/credentials/{credential_id}").json()
    assert (shown["status"], shown["status_details"]) == ("valid", None)
    assert isinstance(shown["checked_at"], int)
    assert shown["models"] == [
        {"id": "gpt-4o-mini-2024-07-18", "owned_by": "system", "shutdown_date": None},
        {"id": "ft:gpt-4o-mini:acme::1", "owned_by": "acme", "shutdown_date": "2027-01-14"}]
    [request] = receiver.requests
    assert (request.path, request.headers["authorization"]) == ("/v1/models", f"Bearer {SECRET}")
    with transaction(tenant.scope) as session:
        assert session.execute(text("select count(*) from work_items where kind = 'credentials.check'")).scalar() == 0
    assert told(tenant) == []


def test_what_was_tuned_at_its_server_answers_again_once_it_is_stored_anew(tenant: Tenant, receiver: Receiver,
                                                                           credential_id: str) -> None:
    with transaction(tenant.scope) as session:
        catalog.register_remote_model(session, project_id=tenant.project_id, job_id="", step=0, base_model="gpt-4o",
                                      name="ft:gpt-4o-mini:acme::1", provider="compatible",
                                      credential_id=credential_id)
    assert tenant.client.delete(f"/v1/credentials/{credential_id}").json()["models_left"] == 1
    receiver.answers = [saying(200, LISTED)]
    again = store(tenant, "compatible", base_url=f"{receiver.url}/v1")["id"]
    work_off(tenant)
    with transaction(tenant.scope) as session:
        assert catalog.resolve(session, "ft:gpt-4o-mini:acme::1").credential_id == again


def test_failing_and_recovering_are_told_once_each(tenant: Tenant, receiver: Receiver, credential_id: str) -> None:
    refusal = {"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "param": None,
                         "code": "invalid_api_key"}}
    work_off(tenant)
    receiver.answers = [saying(401, refusal)]
    shown = checked(tenant, credential_id)
    assert shown["status"] == "refused"
    assert "Incorrect API key" in str(shown["status_details"])
    assert len(list(shown["models"])) == 2  # type: ignore[call-overload]  # what was known stays
    checked(tenant, credential_id)
    with transaction(tenant.scope) as session:
        failing(session, credential_id, "said so to a job as well")
    assert told(tenant) == ["credential.failing"]
    receiver.answers = [saying(200, LISTED)]
    assert checked(tenant, credential_id)["status"] == "valid"
    assert checked(tenant, credential_id)["status"] == "valid"
    assert told(tenant) == ["credential.failing", "credential.recovered"]
    with transaction(tenant.scope) as session:
        event = session.scalars(select(Event).order_by(Event.position)).first()
        assert event is not None
        assert event.data.items() >= {"id": credential_id, "name": "bigger-house", "status": "refused"}.items()


def next_check(tenant: Tenant) -> float:
    """In how many minutes the credential is checked."""
    with transaction(tenant.scope) as session:
        [minutes] = session.scalars(text("select extract(epoch from run_at - now())::float8 / 60 from work_items"
                                         " where kind = 'credentials.check' and state = 'pending'"))
    return float(minutes)


def test_a_refused_one_is_tried_each_hour_and_heals_without_anybody(tenant: Tenant, receiver: Receiver,
                                                                    credential_id: str) -> None:
    receiver.answers = [403]
    work_off(tenant)
    for _ in range(MAX_FAILURES + 2):
        assert 59 <= next_check(tenant) <= 80
        let_time_pass()
        work_off(tenant)
    assert told(tenant) == ["credential.failing"]
    receiver.answers = [saying(200, LISTED)]
    let_time_pass()
    work_off(tenant)
    assert tenant.client.get(f"/v1/credentials/{credential_id}").json()["status"] == "valid"
    assert told(tenant) == ["credential.failing", "credential.recovered"]


def archive(administrator: Administrator, tenant: Tenant) -> None:
    path = f"/v1/organization/projects/{tenant.project_id}/archive"
    assert administrator.client.post(path).status_code == 200


def checks(tenant: Tenant) -> list[str]:
    """Credentials whose check is work of this project."""
    with transaction(tenant.scope) as session:
        return list(session.scalars(text("select subject from work_items where kind = 'credentials.check'")))


@pytest.mark.parametrize("answer", [403, 503])
def test_one_of_an_archived_project_is_not_tried_any_more(tenant: Tenant, administrator: Administrator, answer: int,
                                                          receiver: Receiver, credential_id: str) -> None:
    receiver.answers = [answer]
    work_off(tenant)
    assert checks(tenant) == [credential_id]
    archive(administrator, tenant)
    asked = len(receiver.requests)
    let_time_pass()
    work_off(tenant)
    assert (checks(tenant), len(receiver.requests)) == ([], asked)


def test_what_an_archived_project_tried_for_all_is_tried_by_another(
        tenant: Tenant, stranger: Tenant, administrator: Administrator, receiver: Receiver) -> None:
    receiver.answers = [403]
    shared = str(store(administrator.client, "compatible", base_url=f"{receiver.url}/v1")["id"])
    work_off(tenant)
    archive(administrator, tenant)
    let_time_pass()
    work_off(tenant)
    assert (checks(tenant), checks(stranger)) == ([], [shared])
    receiver.answers = [saying(200, LISTED)]
    work_off(stranger)
    assert administrator.client.get(f"/v1/organization/credentials/{shared}").json()["status"] == "valid"


def test_one_that_was_refused_to_somebody_else_is_tried_soon_but_not_more_often_for_that(tenant: Tenant,
                                                                                         receiver: Receiver,
                                                                                         credential_id: str) -> None:
    work_off(tenant)

    def refuse() -> None:
        with transaction(tenant.scope) as session:
            failing(session, credential_id, "401")
    refuse()
    assert 4 <= next_check(tenant) <= 6
    receiver.answers = [401]
    let_time_pass()
    work_off(tenant)
    refuse()
    assert next_check(tenant) >= 59


def test_a_change_while_its_check_is_recorded_waits_for_it(tenant: Tenant, credential_id: str) -> None:
    def change() -> int:
        return tenant.client.post(f"/v1/credentials/{credential_id}", json={"secret": SECRET}).status_code

    with ThreadPoolExecutor(1) as pool:
        with transaction(tenant.scope) as session:
            session.execute(text("select id from work_items where kind = 'credentials.check' for update"))
            changing = pool.submit(change)
            until_somebody_waits()
            record_check(session, credential_id, status="valid", details=None)
        assert changing.result() == 200
    assert tenant.client.get(f"/v1/credentials/{credential_id}").json()["status"] == "unchecked"  # the check was first


def test_what_the_server_repeats_of_the_secret_is_not_kept(tenant: Tenant, receiver: Receiver,
                                                           credential_id: str) -> None:
    receiver.answers = [saying(401, {"error": {"message": f"No key {SECRET} here: {SECRET}", "code": SECRET}})]
    shown = checked(tenant, credential_id)
    assert shown["status"] == "refused"
    assert SECRET not in json.dumps(shown)


@pytest.mark.parametrize("answer", [401, 200])
def test_a_new_secret_ends_what_was_told_of_the_former_only_once_it_works(tenant: Tenant, receiver: Receiver,
                                                                        credential_id: str, answer: int) -> None:
    receiver.answers = [401]
    checked(tenant, credential_id)
    path = f"/v1/credentials/{credential_id}"
    assert tenant.client.post(path, json={"secret": "sk-new-secret-0123456789"}).json()["status"] == "unchecked"
    assert told(tenant) == ["credential.failing"]
    receiver.answers = [saying(200, LISTED) if answer == 200 else answer]
    let_time_pass()
    work_off(tenant)
    assert told(tenant) == ["credential.failing", *(["credential.recovered"] if answer == 200 else [])]


@pytest.mark.parametrize("masked", ["sk-proj-************************0042", "sk-p*****0042", "sk-...0042", SECRET])
def test_what_the_server_repeats_of_the_secret_masked_is_not_kept_either(tenant: Tenant, receiver: Receiver,
                                                                       credential_id: str, masked: str) -> None:
    message = f"Incorrect API key provided: {masked}. Find it elsewhere."
    receiver.answers = [saying(401, {"error": {"message": message}})]
    assert checked(tenant, credential_id)["status_details"] == (
        "Incorrect API key provided: [secret]. Find it elsewhere.")


@pytest.mark.parametrize("path", ["", "/", "/v1"])
@pytest.mark.parametrize("answer", [saying(404, "<html>"), saying(404, {"error": {
    "message": "Invalid URL (GET /models)", "type": "invalid_request_error", "param": None, "code": None}})])
def test_an_address_that_is_not_the_apis_is_told_with_what_to_try(tenant: Tenant, receiver: Receiver, answer: Handler,
                                                                  path: str) -> None:
    receiver.answers = [answer]
    shown = checked(tenant, store(tenant, "compatible", base_url=receiver.url.rstrip("/") + path)["id"])
    assert shown["status"] == "unreachable"
    assert "was reached" in str(shown["status_details"])
    assert (f"Try {receiver.url.rstrip('/')}/v1." in str(shown["status_details"])) is (path != "/v1")


@pytest.mark.parametrize("answer", [500, 503, 429, 404, saying(200, "<html>"), saying(200, "[" * 5000)])
def test_a_server_that_does_not_answer_sense_is_asked_again(tenant: Tenant, receiver: Receiver, credential_id: str,
                                                            answer: int | Handler) -> None:
    receiver.answers = [answer]
    shown = checked(tenant, credential_id)
    assert shown["status"] == "unreachable"
    assert shown["status_details"]
    with transaction(tenant.scope) as session:
        item = session.execute(text("select state, failures, run_at > now() as later from work_items"
                                    " where kind = 'credentials.check'")).one()
    assert tuple(item) == ("pending", 1, True)
    receiver.answers = [saying(200, LISTED)]
    let_time_pass()
    work_off(tenant)
    assert tenant.client.get(f"/v1/credentials/{credential_id}").json()["status"] == "valid"
    assert told(tenant) == ["credential.failing", "credential.recovered"]


def test_nobody_there_is_told_in_words(tenant: Tenant) -> None:
    made = store(tenant, "compatible", base_url="http://127.0.0.1:9/v1")
    shown = checked(tenant, made["id"])
    assert shown["status"] == "unreachable"
    assert shown["status_details"]


def test_a_redirect_does_not_get_the_secret(tenant: Tenant, receiver: Receiver, credential_id: str) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"location": f"{receiver.url}/stolen"})
    receiver.answers = [elsewhere]
    assert checked(tenant, credential_id)["status"] == "unreachable"
    assert {request.path for request in receiver.requests} == {"/v1/models"}


def test_a_server_that_is_long_gone_is_asked_on_until_it_is_back(tenant: Tenant, receiver: Receiver,
                                                                 credential_id: str) -> None:
    receiver.answers = [503]
    with transaction(DISPATCH) as session:
        session.execute(text("update work_items set failures = :most where kind = 'credentials.check'"),
                        {"most": MAX_FAILURES})
    assert checked(tenant, credential_id)["status"] == "unreachable"
    with transaction(tenant.scope) as session:
        item = session.execute(text("select state, failures, run_at > now() + interval '5 minutes' as later"
                                    " from work_items where kind = 'credentials.check'")).one()
    assert tuple(item) == ("pending", MAX_FAILURES, True)
    receiver.answers = [saying(200, LISTED)]
    let_time_pass()
    work_off(tenant)
    assert tenant.client.get(f"/v1/credentials/{credential_id}").json()["status"] == "valid"


def test_one_whose_checks_kill_their_workers_is_given_up(tenant: Tenant, receiver: Receiver,
                                                         credential_id: str) -> None:
    with transaction(DISPATCH) as session:
        session.execute(text("update work_items set crashes = :most + 1 where kind = 'credentials.check'"),
                        {"most": MAX_CRASHES})
    work_off(tenant)
    assert receiver.requests == []
    shown = tenant.client.get(f"/v1/credentials/{credential_id}").json()
    assert (shown["status"], "too often" in shown["status_details"]) == ("unreachable", True)


def test_a_deleted_one_is_not_tried(tenant: Tenant, receiver: Receiver, credential_id: str) -> None:
    tenant.client.delete(f"/v1/credentials/{credential_id}")
    assert work_off(tenant) == 1
    assert receiver.requests == []
    with transaction(tenant.scope) as session:
        assert session.execute(text("select count(*) from work_items where kind = 'credentials.check'")).scalar() == 0


def test_one_that_is_deleted_while_its_server_thinks_stays_deleted(tenant: Tenant, receiver: Receiver,
                                                                   credential_id: str) -> None:
    async def slow(_: web.Request) -> web.Response:
        with transaction(tenant.scope) as session:
            session.execute(text("update credentials set deleted_at = now(), secret = '', models = '[]'"))
        return web.json_response(LISTED)
    receiver.answers = [slow]
    work_off(tenant)
    with transaction(tenant.scope) as session:
        row = session.scalars(select(Credential)).one()
        assert (row.status, row.models) == ("unchecked", [])


def test_a_list_without_end_is_cut(tenant: Tenant, receiver: Receiver, credential_id: str) -> None:
    receiver.answers = [saying(200, {"object": "list", "data": [
        {"id": f"m{number}", "object": "model", "owned_by": "o" * 500} for number in range(3000)]})]
    assert checked(tenant, credential_id)["status"] == "valid"
    models = tenant.client.get(f"/v1/credentials/{credential_id}").json()["models"]
    assert len(models) == 1000
    assert len(models[0]["owned_by"]) <= 256


def test_what_is_shared_is_tried_as_work_of_a_project(tenant: Tenant, administrator: Administrator,
                                                      receiver: Receiver) -> None:
    receiver.answers = [saying(200, LISTED)]
    shared = store(administrator.client, "compatible", base_url=f"{receiver.url}/v1")
    assert work_off(tenant) == 1
    path = f"/v1/organization/credentials/{shared['id']}"
    assert administrator.client.get(path).json()["status"] == "valid"
    receiver.answers = [401]
    assert checked(tenant, shared["id"])["status"] == "refused"
    assert told(tenant) == ["credential.failing"]


def test_a_worker_without_keys_waits_for_them(tenant: Tenant, receiver: Receiver, credential_id: str,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_KEKS", "")
    settings.cache_clear()
    work_off(tenant)
    assert receiver.requests == []
    with transaction(tenant.scope) as session:
        error = session.execute(text("select last_error from work_items where kind = 'credentials.check'")).scalar()
    assert "TUNEWORKS_KEK_FILE" in str(error)
    monkeypatch.undo()
    settings.cache_clear()
    let_time_pass()
    work_off(tenant)
    assert tenant.client.get(f"/v1/credentials/{credential_id}").json()["status"] == "valid"
