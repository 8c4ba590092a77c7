"""Chats with models of other servers, driven by the official SDK, against a simulated server that is strict."""

import asyncio
import json
import threading
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from openai import (
    APIError,
    APIStatusError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    RateLimitError,
)
from sqlalchemy import select
from starlette.requests import ClientDisconnect

from service.catalog import operations as catalog
from service.chat import operations
from service.chat.passing import Passing
from service.chat.streams import Lines, Streamed
from service.credentials.tables import Credential
from service.events.tables import Event
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.fixtures.server import MakeSDK
from tests.remote.control import Simulator
from tests.service.credentials.storing import store

MODEL = "gpt-4o-mini-2024-07-18"
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
SECRET = "sk-canary-of-chats-0123456789"


@pytest.fixture
def client(live_api: str, sdk: MakeSDK, tenant: Tenant) -> OpenAI:
    return sdk(tenant.key)


@pytest.fixture
def openai_credential(tenant: Tenant, simulator: Simulator) -> dict[str, Any]:
    return store(tenant, "openai", base_url=simulator.base_url, secret=simulator.key)


@pytest.fixture
def hostile(tenant: Tenant, receiver: Receiver) -> Receiver:
    """A server of which a credential tells, and which answers as a test says."""
    store(tenant, "openai", base_url=f"{receiver.url}/v1", secret=SECRET)
    return receiver


def made_at(simulator: Simulator) -> str:
    """A tuned model that the server has."""
    simulator.estate(jobs=3, files=3, key=simulator.key)
    with OpenAI(base_url=simulator.base_url, api_key=simulator.key, max_retries=0) as direct:
        return next(model.id for model in direct.models.list() if model.id.startswith("ft:"))


def status_of(tenant: Tenant) -> list[str]:
    with transaction(tenant.scope) as session:
        return [row.status for row in session.scalars(select(Credential).order_by(Credential.position))]


def ask(client: OpenAI, model: str = MODEL, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES, **more)


def answers(body: Any, status: int = 200, **headers: str) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json")
        return web.Response(body=raw, status=status, headers={"content-type": kind, **{
            name.replace("_", "-"): value for name, value in headers.items()}})
    return answer


def streams(*lines: bytes, cut: bool = False) -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if cut:
            await asyncio.sleep(0.2)  # aiohttp forgets what it has read when the end comes with it
            assert request.transport is not None
            request.transport.close()
        return response
    return answer


def chunk(content: str, finish: str | None = None, **more: Any) -> bytes:
    return b"data: " + json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "internal",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more}).encode() + b"\n\n"


@pytest.mark.usefixtures("openai_credential")
class TestAgainstTheSimulator:
    def test_a_base_model_answers_under_the_name_it_has_here(self, client: OpenAI, simulator: Simulator) -> None:
        answer = ask(client, "gpt-4o-mini")
        assert answer.model == MODEL
        assert answer.choices[0].message.content == f"This is {MODEL}. You said: Hello"
        [asked] = [each for each in simulator.requests() if each["path"].endswith("/chat/completions")]
        headers = {name.lower(): value for name, value in asked["headers"].items()}
        assert headers["accept-encoding"] == "identity"
        assert "cookie" not in headers

    def test_a_stream_comes_piece_by_piece_with_its_usage(self, client: OpenAI) -> None:
        chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == (
            f"This is {MODEL}. You said: Hello")
        assert {each.model for each in chunks} == {MODEL}
        assert chunks[-1].usage.completion_tokens > 0

    def test_a_tuned_model_answers_through_the_credential_that_made_it(
            self, client: OpenAI, tenant: Tenant, simulator: Simulator, openai_credential: dict[str, Any]) -> None:
        name = made_at(simulator)
        store(tenant, "openai", name="newer", base_url=simulator.base_url, secret="sk-wrong")
        register(tenant, name, openai_credential["id"])
        assert ask(client, name).model == name

    def test_azure_answers_by_deployment(self, client: OpenAI, tenant: Tenant, simulator: Simulator) -> None:
        simulator.deploy("chat-eu", "gpt-4o-2024-08-06")
        credential = store(tenant, "azure", base_url=simulator.azure_url, secret=simulator.key,
                           options={"deployments": {"ft:mine": "chat-eu"}})
        register(tenant, "ft:mine", credential["id"], provider="azure")
        register(tenant, "ft:other", credential["id"], provider="azure", job_id="ftjob-2")
        answer = ask(client, "ft:mine")
        assert answer.model == "ft:mine"
        assert answer.choices[0].message.content.startswith("This is gpt-4o-2024-08-06.")
        with pytest.raises(BadRequestError, match="deployments") as unserved:
            ask(client, "ft:other")
        assert unserved.value.code == "model_not_served"

    def test_what_the_server_refuses_is_told_in_its_words(self, client: OpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            client.chat.completions.create(model=MODEL, messages=[{"content": "no role"}])  # type: ignore[list-item]
        assert refused.value.param == "messages[0].role"
        assert refused.value.response.headers["x-request-id"].startswith("req_")

    def test_a_refused_key_is_a_503_and_an_event_once(self, client: OpenAI, tenant: Tenant, simulator: Simulator,
                                                      openai_credential: dict[str, Any]) -> None:
        name = "ft:gpt-4o-mini-2024-07-18:acme::AbCd1234"
        register(tenant, name, openai_credential["id"])
        simulator.account(simulator.key, standing="revoked")
        for _ in range(2):
            with pytest.raises(InternalServerError) as refused:
                ask(client, name)
            assert (refused.value.status_code, refused.value.code) == (503, "credential_refused")
        assert status_of(tenant) == ["refused"]
        with transaction(tenant.scope) as session:
            assert [event.type for event in session.scalars(select(Event))] == ["credential.failing"]

    def test_a_server_that_refuses_connections_is_unavailable(self, client: OpenAI, simulator: Simulator) -> None:
        simulator.fault("refuse", path="chat")
        with pytest.raises(InternalServerError) as unavailable:
            ask(client)
        assert (unavailable.value.status_code, unavailable.value.code) == (503, "remote_unavailable")
        assert int(unavailable.value.response.headers["retry-after"]) > 0


def register(tenant: Tenant, name: str, credential_id: str, *, provider: str = "openai",
             job_id: str = "ftjob-1") -> None:
    with transaction(tenant.scope) as session:
        catalog.register_remote_model(session, project_id=tenant.project_id, job_id=job_id, step=1, name=name,
                                      base_model=MODEL, provider=provider, credential_id=credential_id)


class TestWithoutACredential:
    def test_it_says_how_to_store_one(self, client: OpenAI) -> None:
        with pytest.raises(BadRequestError, match="POST /v1/credentials") as missing:
            ask(client)
        assert missing.value.code == "no_credential"

    def test_a_tuned_model_whose_credential_was_deleted_says_so(self, client: OpenAI, tenant: Tenant) -> None:
        credential = store(tenant, "openai")
        register(tenant, "ft:mine", credential["id"])
        tenant.client.delete(f"/v1/credentials/{credential['id']}")
        with pytest.raises(BadRequestError, match="was deleted") as gone:
            ask(client, "ft:mine")
        assert gone.value.code == "no_credential"

    def test_bedrock_is_said_to_serve_by_itself(self, client: OpenAI, tenant: Tenant) -> None:
        credential = store(tenant, "bedrock")
        register(tenant, "arn:aws:bedrock:model", credential["id"], provider="bedrock")
        with pytest.raises(BadRequestError):
            ask(client, "arn:aws:bedrock:model")

    def test_another_project_cannot_reach_the_model(self, sdk: MakeSDK, tenant: Tenant, stranger: Tenant) -> None:
        register(tenant, "ft:mine", store(tenant, "openai")["id"])
        with pytest.raises(NotFoundError, match="The model 'ft:mine' does not exist"):
            ask(sdk(stranger.key), "ft:mine")


class TestHostileServers:
    @pytest.mark.parametrize("answer", [
        answers(b"<html>welcome</html>", content_type="text/html"), answers(b"[1, 2]"), answers(b"{" * 100_000),
        answers(b"\xff\xfe"), answers(b'{"a": "' + b"x" * 17 * 2**20 + b'"}'), answers(b"", 302, location="http://x/"),
        answers(b"", 307, location="/v1/chat/completions"), answers({"error": {"message": "down"}}, 500),
        answers(b"bad gateway", 502), answers(b"<html>", 404, content_type="text/html"), answers(b"{}", 204),
        answers({"a": 1}, content_encoding="gzip"), answers(b"data: {}\n\n", content_type="text/event-stream")])
    def test_an_answer_that_is_none_is_a_503(self, client: OpenAI, hostile: Receiver, answer: Any) -> None:
        hostile.answers = [answer]
        with pytest.raises(InternalServerError) as unavailable:
            ask(client)
        assert (unavailable.value.status_code, unavailable.value.code) == (503, "remote_unavailable")
        assert len(hostile.requests) == 1

    def test_a_limit_is_passed_on_with_its_wait(self, client: OpenAI, hostile: Receiver) -> None:
        hostile.answers = [answers({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}, 429,
                                   retry_after="17")]
        with pytest.raises(RateLimitError, match="Slow down") as limited:
            ask(client)
        assert limited.value.response.headers["retry-after"] == "17"

    @pytest.mark.parametrize(("wait", "told"), [
        ("999999999999", None), ("999999999", "86400"), ("soon", None), ("-1", None), ("1.5", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT")])
    def test_only_a_wait_by_the_rules_is_passed_on(self, client: OpenAI, hostile: Receiver, wait: str,
                                                   told: str | None) -> None:
        hostile.answers = [answers(b"no json", 429, retry_after=wait)]
        with pytest.raises(RateLimitError) as limited:
            ask(client)
        assert limited.value.response.headers.get("retry-after") == told

    @pytest.mark.parametrize(("secret", "told"), [("EMPTY", "It is EMPTY"), ('sk-"quoted"-key', "It is [secret]")])
    def test_secrets_are_taken_out_of_answers_and_mere_words_are_not(
            self, client: OpenAI, tenant: Tenant, receiver: Receiver, secret: str, told: str) -> None:
        store(tenant, "openai", base_url=f"{receiver.url}/v1", secret=secret)
        receiver.answers = [answers({"model": "internal", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"It is {secret}"}}]})]
        assert ask(client).choices[0].message.content == told

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
    def test_a_secret_that_is_echoed_is_not_told(self, client: OpenAI, hostile: Receiver, status: int) -> None:
        error = {"message": f"Bearer {SECRET}", "code": SECRET, "param": SECRET, "type": SECRET}
        hostile.answers = [answers({"model": "m", "choices": [], "error": error}, status)]
        try:
            text = ask(client).model_dump_json()
        except APIStatusError as refused:
            text = refused.response.text + str(refused.response.headers)
        assert SECRET not in text
        assert "canary" not in text

    def test_a_403_about_the_model_leaves_the_credential_alone(self, client: OpenAI, tenant: Tenant,
                                                               hostile: Receiver) -> None:
        hostile.answers = [answers({"error": {"message": "Not for you", "code": "model_not_found"}}, 403)]
        with pytest.raises(APIStatusError, match="Not for you") as forbidden:
            ask(client)
        assert forbidden.value.status_code == 403
        assert status_of(tenant) == ["unchecked"]

    def test_any_other_403_has_the_credential_checked(self, client: OpenAI, tenant: Tenant, hostile: Receiver) -> None:
        hostile.answers = [answers({"error": {"message": "Forbidden"}}, 403)]
        with pytest.raises(InternalServerError) as forbidden:
            ask(client)
        assert forbidden.value.code == "credential_refused"
        assert status_of(tenant) == ["unchecked"]

    def test_what_nobody_asked_for_is_told_as_it_is(self, client: OpenAI, hostile: Receiver) -> None:
        hostile.answers = [answers({"model": "internal", "choices": [], "new_field": {"deep": [1]}})]
        answer = ask(client)
        assert (answer.model, answer.new_field) == (MODEL, {"deep": [1]})


class TestStreams:
    def test_one_that_is_cut_ends_in_an_error(self, client: OpenAI, hostile: Receiver) -> None:
        hostile.answers = [streams(chunk("Hi"), cut=True)]
        stream = ask(client, stream=True)
        assert next(stream).choices[0].delta.content == "Hi"
        with pytest.raises(APIError, match="cannot be used right now"):
            next(stream)

    def test_one_that_just_ends_too_early_ends_in_an_error(self, client: OpenAI, hostile: Receiver) -> None:
        hostile.answers = [streams(chunk("Hi"))]
        with pytest.raises(APIError, match="before it was complete"):
            list(ask(client, stream=True))

    def test_one_without_a_last_line_is_complete_when_its_choice_is(self, client: OpenAI, hostile: Receiver) -> None:
        hostile.answers = [streams(b": hello\n\n", b"event: x\n", chunk("Hi"), chunk("", "stop"))]
        assert [each.choices[0].delta.content for each in ask(client, stream=True)] == ["Hi", ""]

    @pytest.mark.parametrize("line", [b"data: {not json\n\n", b"data: [1]\n\n", b"data: " + b"x" * 3 * 2**20 + b"\n\n",
                                      b"x" * 5 * 2**20])
    def test_a_line_that_is_none_ends_in_an_error(self, client: OpenAI, hostile: Receiver, line: bytes) -> None:
        hostile.answers = [streams(chunk("Hi"), line, chunk("more"))]
        stream = ask(client, stream=True)
        assert next(stream).choices[0].delta.content == "Hi"
        with pytest.raises(APIError, match="cannot be used right now"):
            list(stream)

    def test_what_follows_the_end_is_not_read(self, client: OpenAI, hostile: Receiver) -> None:
        hostile.answers = [streams(chunk("Hi"), b"data: [DONE]\n\n", chunk("more"))]
        assert [each.choices[0].delta.content for each in ask(client, stream=True)] == ["Hi"]

    def test_a_secret_in_it_is_not_told(self, live_api: str, tenant: Tenant, hostile: Receiver) -> None:
        hostile.answers = [streams(chunk(f"key {SECRET}"), chunk("", "stop"))]

        async def read() -> str:
            async with aiohttp.ClientSession() as session, session.post(
                    f"{live_api}/v1/chat/completions", json={"model": MODEL, "messages": MESSAGES, "stream": True},
                    headers={"authorization": f"Bearer {tenant.key}"}) as answer:
                return await answer.text()
        text = asyncio.run(read())
        assert "key [secret]" in text


class TestCallersThatLeave:
    @pytest.mark.parametrize("streamed", [False, True])
    def test_the_server_is_left_as_well(self, live_api: str, tenant: Tenant, hostile: Receiver, *,
                                        streamed: bool) -> None:
        left = threading.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            if streamed:
                await response.prepare(request)
                await response.write(chunk("Hi"))
            while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.01)
            left.set()
            return response

        async def ask_and_leave() -> None:
            async with aiohttp.ClientSession(headers={"authorization": f"Bearer {tenant.key}"}) as session:
                asking = asyncio.ensure_future(session.post(f"{live_api}/v1/chat/completions", json={
                    "model": MODEL, "messages": MESSAGES, "stream": streamed}))
                while not hostile.requests:  # noqa: ASYNC110 - it is another thread that asks
                    await asyncio.sleep(0.01)
                if streamed:
                    async with await asking as begun:
                        await begun.content.readline()
                        begun.close()
                asking.cancel()

        hostile.answers = [answer]
        asyncio.run(asyncio.wait_for(ask_and_leave(), 60))
        assert left.wait(60)

    def test_the_server_is_left_when_the_caller_is_gone_before_the_first_line(self, tenant: Tenant,
                                                                              hostile: Receiver) -> None:
        left = threading.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            left.set()
            return response

        async def gone(_: Any) -> None:
            raise OSError

        async def forever() -> Any:
            await asyncio.Event().wait()

        async def pass_on() -> None:
            with transaction(tenant.scope) as session:
                answerer = operations.answerer(session, MODEL)
            assert answerer.credential is not None
            passing = Passing()
            lines = await passing.complete(answerer, answerer.credential, {"messages": MESSAGES, "stream": True})
            assert isinstance(lines, Lines)
            with pytest.raises(ClientDisconnect):
                await Streamed(lines, {})({"type": "http", "asgi": {"spec_version": "2.4"}}, forever, gone)
            assert await asyncio.to_thread(left.wait, 60)
            await passing.close()

        hostile.answers = [answer]
        asyncio.run(pass_on())


GONE = answers({"error": {"message": "The model does not exist", "code": "model_not_found"}}, 404)
GOOD = answers({"model": "internal", "choices": []})


class TestSuccessors:
    def mapped(self, tenant: Tenant, model: str) -> None:
        assert tenant.client.post("/v1/model_mappings", json={"model": model, "successor": MODEL}).status_code == 200

    def test_a_dead_name_is_answered_by_its_successor_which_a_header_names(self, client: OpenAI, tenant: Tenant,
                                                                           hostile: Receiver) -> None:
        self.mapped(tenant, "ft:gone:acme::12345678")
        hostile.answers = [GOOD, streams(chunk("Hi", "stop"))]
        answer = client.chat.completions.with_raw_response.create(model="ft:gone:acme::12345678", messages=MESSAGES)
        assert answer.headers["x-tuneworks-answered-by"] == MODEL
        assert (answer.headers["deprecation"], answer.headers["sunset"]) == (
            "@1791936000", "Thu, 14 Jan 2027 00:00:00 GMT")
        assert answer.parse().model == MODEL
        streamed = client.chat.completions.with_raw_response.create(model="ft:gone:acme::12345678", messages=MESSAGES,
                                                                    stream=True)
        assert streamed.headers["x-tuneworks-answered-by"] == MODEL
        assert [each.model for each in streamed.parse()] == [MODEL]

    def test_a_model_that_its_server_has_lost_is_answered_by_its_successor(self, client: OpenAI, tenant: Tenant,
                                                                           hostile: Receiver) -> None:
        credential = tenant.client.get("/v1/credentials").json()["data"][0]["id"]
        register(tenant, "ft:lost", credential)
        hostile.answers = [GONE]
        with pytest.raises(NotFoundError) as gone:
            ask(client, "ft:lost")
        assert gone.value.code == "model_not_found"
        self.mapped(tenant, "ft:lost")
        hostile.answers = [GONE, GOOD]
        assert ask(client, "ft:lost").model == MODEL
        assert [json.loads(each.body)["model"] for each in hostile.requests[-2:]] == ["ft:lost", MODEL]

    def test_a_model_that_lives_answers_for_itself(self, client: OpenAI, tenant: Tenant, hostile: Receiver) -> None:
        register(tenant, "ft:lives", tenant.client.get("/v1/credentials").json()["data"][0]["id"])
        self.mapped(tenant, "ft:lives")
        hostile.answers = [GOOD]
        answer = client.chat.completions.with_raw_response.create(model="ft:lives", messages=MESSAGES)
        assert "x-tuneworks-answered-by" not in answer.headers
        assert answer.parse().model == "ft:lives"
