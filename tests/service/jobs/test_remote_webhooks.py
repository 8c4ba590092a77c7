"""Webhooks of other servers: taken with the right signature only, as hints, and no input gives more than a refusal."""

import base64
import json
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import OpenAI
from standardwebhooks.webhooks import Webhook

from service.jobs.signatures import is_genuine
from tests.fixtures.api import Tenant
from tests.worker.poller.attempts import change, followed, live, rows

KEY = b"a secret of thirty-two bytes, ok"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = {"id": "evt_1", "object": "event", "created_at": 1, "type": "fine_tuning.job.succeeded",
        "data": {"id": "ftjob-theirs"}}


def signed(body: bytes, *, secret: str = SECRET, at: int | None = None, message_id: str = "wh_1") -> dict[str, str]:
    moment = int(time.time()) if at is None else at
    signature = Webhook(secret).sign(message_id, _Moment(moment), body.decode())  # type: ignore[arg-type]
    return {"webhook-id": message_id, "webhook-timestamp": str(moment), "webhook-signature": signature}


class _Moment:
    """What the library's `sign` needs of a datetime."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def replace(self, **_: Any) -> "_Moment":
        return self

    def timestamp(self) -> float:
        return float(self._seconds)


def store(tenant: Tenant, **body: Any) -> str:
    stored = tenant.client.post("/v1/credentials", json={
        "provider": "openai", "name": "theirs", "secret": "sk-0123456789abcdef", "webhook_secret": SECRET, **body})
    assert stored.status_code == 200, stored.text
    return str(stored.json()["id"])


@pytest.fixture
def credential(tenant: Tenant) -> str:
    return store(tenant)


def send(client: TestClient, credential_id: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/v1/credentials/{credential_id}/webhook", content=content,
                       headers=signed(content) if headers is None else headers)


class TestHint:
    def test_the_job_is_followed_now_and_polled_now(self, app_client: TestClient, tenant: Tenant,
                                                    credential: str) -> None:
        hinted, other = live(tenant, ["ftjob-theirs", "ftjob-other"], credential_id=credential)
        change(tenant, [hinted, other], next_poll_at="now() + interval '1 minute'")
        answer = send(app_client, credential, BODY)
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        assert followed(tenant) == {hinted}
        assert rows()[hinted].waits <= 0 < rows()[other].waits

    def test_doubled_ones_are_one(self, app_client: TestClient, tenant: Tenant, credential: str) -> None:
        [attempt] = live(tenant, ["ftjob-theirs"], credential_id=credential)
        for _ in range(3):
            assert send(app_client, credential, BODY).status_code == 200
        assert followed(tenant) == {attempt}

    @pytest.mark.parametrize("state", ["ended", "unknown"])
    def test_a_job_that_is_not_live_any_more_is_left_alone(self, app_client: TestClient, tenant: Tenant,
                                                           credential: str, state: str) -> None:
        ids = live(tenant, ["ftjob-theirs"], credential_id=credential)
        change(tenant, ids, state=f"'{state}'", next_poll_at="null")
        assert send(app_client, credential, BODY).status_code == 200
        assert followed(tenant) == set()
        assert rows()[ids[0]].next_poll_at is None

    def test_a_job_of_another_credential_is_not_meant(self, app_client: TestClient, tenant: Tenant, stranger: Tenant,
                                                      credential: str) -> None:
        live(stranger, ["ftjob-theirs"], credential_id=store(stranger))
        assert send(app_client, credential, BODY).status_code == 200
        assert (followed(tenant), followed(stranger)) == (set(), set())

    def test_unknown_jobs_and_unknown_types_are_taken(self, app_client: TestClient, credential: str) -> None:
        assert send(app_client, credential, {**BODY, "type": "batch.completed"}).status_code == 200
        assert send(app_client, credential, {"data": {"id": "ftjob-unknown"}}).status_code == 200

    def test_the_official_sdk_takes_what_we_take(self) -> None:
        content = json.dumps(BODY).encode()
        event = OpenAI(api_key="sk-none", webhook_secret=SECRET).webhooks.unwrap(content.decode(), signed(content))
        assert event.type == "fine_tuning.job.succeeded"


class TestRefusal:
    def test_a_credential_that_is_not_there_is_answered_like_a_wrong_signature(
            self, app_client: TestClient, tenant: Tenant, credential: str) -> None:
        forged = signed(json.dumps(BODY).encode(), secret="whsec_" + base64.b64encode(b"x" * 32).decode())
        without = store(tenant, name="without", webhook_secret=None)
        answers = {send(app_client, each, BODY, forged).text
                   for each in (credential, without, "cred_unknown", "%F0%9F")}
        assert {json.loads(each)["error"]["code"] for each in answers} == {"invalid_webhook_signature"}
        assert len(answers) == 1

    @pytest.mark.parametrize("spoil", [
        {"webhook-id": ""}, {"webhook-id": "wh_2"}, {"webhook-timestamp": ""}, {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "1e9"}, {"webhook-timestamp": "-5"}, {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""}, {"webhook-signature": "v1,"}, {"webhook-signature": "v1a,abc"},
        {"webhook-signature": "v1,AAAA"}, {"webhook-signature": "v1," + "x" * 5000},
    ])
    def test_headers_that_do_not_fit(self, app_client: TestClient, tenant: Tenant, credential: str,
                                     spoil: dict[str, str]) -> None:
        [attempt] = live(tenant, ["ftjob-theirs"], credential_id=credential)
        change(tenant, [attempt], next_poll_at="now() + interval '1 minute'")
        answer = send(app_client, credential, BODY, {**signed(json.dumps(BODY).encode()), **spoil})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_webhook_signature")
        assert followed(tenant) == set()
        assert rows()[attempt].waits > 0

    @pytest.mark.parametrize("offset", [-310, 310])
    def test_an_old_or_early_one(self, app_client: TestClient, credential: str, offset: int) -> None:
        content = json.dumps(BODY).encode()
        answer = send(app_client, credential, content, signed(content, at=int(time.time()) + offset))
        assert answer.json()["error"]["code"] == "invalid_webhook_signature"

    def test_another_body_than_was_signed(self, app_client: TestClient, credential: str) -> None:
        answer = send(app_client, credential, json.dumps(BODY).encode() + b" ", signed(json.dumps(BODY).encode()))
        assert answer.json()["error"]["code"] == "invalid_webhook_signature"

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"null", b'{"data": 7}', b'{"data": {"id": 7}}',
                                      b'{"data": {"id": ""}}', b'{"data": {"id": "a\\u0000b"}}', b"[" * 5000,
                                      b'{"data": {"id": "\\ud800"}}', b'{"data": {"id": "' + b"x" * 300 + b'"}}'])
    def test_a_signed_body_that_names_no_job(self, app_client: TestClient, credential: str, body: bytes) -> None:
        answer = send(app_client, credential, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_webhook")

    def test_a_body_without_end(self, app_client: TestClient, credential: str) -> None:
        assert send(app_client, credential, b"x" * 70_000).status_code == 413

    def test_an_api_key_is_no_signature(self, tenant: Tenant, credential: str) -> None:
        answer = tenant.client.post(f"/v1/credentials/{credential}/webhook", json=BODY)
        assert answer.json()["error"]["code"] == "invalid_webhook_signature"


class TestSignature:
    def test_either_of_two_signatures_and_of_two_keys_will_do(self) -> None:
        mine, other = signed(b"{}"), signed(b"{}", secret="whsec_" + base64.b64encode(b"y" * 32).decode())
        both = f"{other['webhook-signature']} {mine['webhook-signature']}"
        for keys in ((KEY,), (b"z" * 32, KEY)):
            assert is_genuine(keys, message_id="wh_1", timestamp=mine["webhook-timestamp"], signature=both, body=b"{}",
                              now=time.time())

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(st.text(), st.text(), st.text(), st.binary())
    def test_nothing_that_was_not_signed_is_genuine(self, message_id: str, timestamp: str, signature: str,
                                                    body: bytes) -> None:
        assert not is_genuine((KEY,), message_id=message_id, timestamp=timestamp, signature=signature, body=body,
                              now=1e9)
