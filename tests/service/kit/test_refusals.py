"""Every kind of bad value is told in OpenAI's words, with the place and the code that its clients look for."""

import logging
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, FastAPI, Path, Query
from fastapi.testclient import TestClient
from pydantic import Field
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from service.kit import refusals
from service.kit.errors import Conflict, ServiceError
from service.kit.http import BodyGuard, RequestContext
from service.kit.schemas import Metadata, PlainStr, Request


class Inner(Request):
    size: int


class Cat(Request):
    kind: Literal["cat"]


class Dog(Request):
    kind: Literal["dog"]


class Thing(Request):
    text: Annotated[PlainStr, Field(min_length=2, max_length=5)] = "text"
    exact: Annotated[str, Field(min_length=2, max_length=5)] = "text"
    number: Annotated[int, Field(ge=1, le=10)] = 1
    seed: Annotated[int, Field(le=2**31 - 1)] = 1
    rate: Annotated[float, Field(gt=0, lt=2)] = 1.0
    flag: bool = True
    items: Annotated[list[Inner], Field(min_length=1, max_length=2)] = Field(default_factory=lambda: [Inner(size=1)])
    pair: tuple[str, ...] = ()
    inner: Inner | None = None
    metadata: Metadata = Field(default_factory=dict)
    choice: Literal["one", "two"] = "one"
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


class Needy(Request):
    name: str


FAULTS: dict[str, Exception] = {
    "conflict": Conflict("Taken.", code="taken"), "data": DataError("", {}, Exception()),
    "down": OperationalError("", {}, Exception()), "twice": IntegrityError("", {}, Exception()),
    "bug": KeyError("secret"), "surrogate": Conflict("bad \ud800 text"),
}
router = APIRouter()


@router.post("/things")
def take(body: Thing) -> None:
    """Take a thing."""


@router.post("/needy")
def take_needy(body: Needy) -> None:
    """Take what needs a name."""


@router.get("/faults/{name}")
def fault(name: Annotated[PlainStr, Path(max_length=20)], limit: Annotated[int, Query(ge=1, le=9)] = 1, *,
          deep: bool = False) -> None:
    """Raise what is asked for."""
    raise FAULTS[name]


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI(redirect_slashes=False)
    app.include_router(router)
    refusals.install(app)
    app.add_middleware(BodyGuard)
    app.add_middleware(RequestContext)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def refused(answer: Any, status: int = 400) -> dict[str, Any]:
    """The error of an answer that has OpenAI's whole envelope."""
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"].startswith("req_")
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


Kind = tuple[dict[str, Any], str, str, str]
KINDS: list[Kind] = [
    ({"metadata": {"modified": True}}, "metadata.modified", "invalid_type",
     "Invalid type for 'metadata.modified': expected a string, but got a boolean instead."),
    ({"text": 5}, "text", "invalid_type", "Invalid type for 'text': expected a string, but got an integer instead."),
    ({"text": None}, "text", "invalid_type", "Invalid type for 'text': expected a string, but got null instead."),
    ({"number": "5"}, "number", "invalid_type",
     "Invalid type for 'number': expected an integer, but got a string instead."),
    ({"number": 1.5}, "number", "invalid_type",
     "Invalid type for 'number': expected an integer, but got a decimal number instead."),
    ({"rate": "x"}, "rate", "invalid_type", "Invalid type for 'rate': expected a decimal, but got a string instead."),
    ({"flag": "yes"}, "flag", "invalid_type", "Invalid type for 'flag': expected a boolean, but got a string instead."),
    ({"flag": 1}, "flag", "invalid_type", "Invalid type for 'flag': expected a boolean, but got an integer instead."),
    ({"items": {}}, "items", "invalid_type", "Invalid type for 'items': expected an array, but got an object instead."),
    ({"pair": "x"}, "pair", "invalid_type", "Invalid type for 'pair': expected an array, but got a string instead."),
    ({"items": [{"size": 1}, {"size": "x"}]}, "items[1].size", "invalid_type",
     "Invalid type for 'items[1].size': expected an integer, but got a string instead."),
    ({"inner": [1]}, "inner", "invalid_type",
     "Invalid type for 'inner': expected an object, but got an array instead."),
    ({"metadata": "x"}, "metadata", "invalid_type",
     "Invalid type for 'metadata': expected an object, but got a string instead."),
    ({"choice": 1}, "choice", "invalid_type",
     "Invalid type for 'choice': expected one of 'one' or 'two', but got an integer instead."),
    ({"choice": "three"}, "choice", "invalid_value",
     "Invalid value: 'three'. Supported values are: 'one' and 'two'."),
    ({"pet": {"kind": "cow"}}, "pet", "invalid_value", "Invalid value: 'cow'. Supported values are: 'cat' and 'dog'."),
    ({"pet": {}}, "pet.kind", "missing_required_parameter", "Missing required parameter: 'pet.kind'."),
    ({"inner": {}}, "inner.size", "missing_required_parameter", "Missing required parameter: 'inner.size'."),
    ({"is_admin": True}, "is_admin", "unknown_parameter", "Unknown parameter: 'is_admin'."),
    ({"inner": {"size": 1, "more": 2}}, "inner.more", "unknown_parameter", "Unknown parameter: 'inner.more'."),
    ({"number": 0}, "number", "integer_below_min_value",
     "Invalid 'number': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    ({"number": 11}, "number", "integer_above_max_value",
     "Invalid 'number': integer above maximum value. Expected a value <= 10, but got 11 instead."),
    ({"seed": 2**31}, "seed", "integer_above_max_value",
     "Invalid 'seed': integer above maximum value. Expected a value <= 2147483647, but got 2147483648 instead."),
    ({"rate": 0.0}, "rate", "decimal_below_min_value",
     "Invalid 'rate': decimal below minimum value. Expected a value > 0, but got 0.0 instead."),
    ({"rate": 2}, "rate", "decimal_above_max_value",
     "Invalid 'rate': decimal above maximum value. Expected a value < 2, but got 2 instead."),
    ({"items": []}, "items", "empty_array",
     "Invalid 'items': empty array. Expected an array with minimum length 1, but got an empty array instead."),
    ({"items": [{"size": 1}] * 3}, "items", "array_above_max_length",
     ("Invalid 'items': array too long. Expected an array with maximum length 2, but got an array with length 3"
      " instead.")),
    ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata", "object_above_max_properties",
     ("Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with"
      " 17 properties instead.")),
    ({"text": "x" * 70_000}, "text", "string_above_max_length",
     ("Invalid 'text': string too long. Expected a string with maximum length 5, but got a string with length 70000"
      " instead.")),
    ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length",
     ("Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string with length"
      " 513 instead.")),
    ({"metadata": {"k" * 65: "v"}}, "metadata." + "k" * 65, "property_name_above_max_length",
     ("Invalid property name in 'metadata': 'kkk...kkk' is too long. Expected a string with maximum length 64, but got"
      " a string with length 65 instead.")),
    ({"text": ""}, "text", "empty_string",
     "Invalid 'text': empty string. Expected a string with minimum length 2, but got an empty string instead."),
    ({"text": "a\x00"}, "text", "invalid_value",
     "Invalid 'text': contains a NUL character, which cannot be stored."),
]
LENGTHS: list[Kind] = [
    ({name: text}, name, code, f"Invalid '{name}': string {words}, but got a string with length {len(text)} instead.")
    for name in ("text", "exact") for text, code, words in (
        ("a", "string_below_min_length", "too short. Expected a string with minimum length 2"),
        ("abcdef", "string_above_max_length", "too long. Expected a string with maximum length 5"))
]


class TestBodies:
    @pytest.mark.parametrize(("body", "param", "code", "message"), KINDS + LENGTHS)
    def test_each_kind_of_bad_value(self, client: TestClient, body: dict[str, Any], param: str, code: str,
                                    message: str) -> None:
        assert refused(client.post("/things", json=body)) == {
            "message": message, "type": "invalid_request_error", "param": param, "code": code}

    @pytest.mark.parametrize(("raw", "kind"), [(b"[]", "an array"), (b'"x"', "a string"), (b"5", "an integer")])
    def test_a_body_that_is_no_object(self, client: TestClient, raw: bytes, kind: str) -> None:
        error = refused(client.post("/things", content=raw, headers={"content-type": "application/json"}))
        assert error["message"] == f"Invalid type of the request body: expected an object, but got {kind} instead."
        assert (error["param"], error["code"]) == (None, "invalid_type")

    @pytest.mark.parametrize("raw", [
        b"{", b"{'a': 1}", b"\xff\xfe\xff", b"[" * 50_000, b'{"number": ' + b"9" * 5000 + b"}", b'{"a" "b"}', b"\x00"])
    def test_what_is_no_json(self, client: TestClient, raw: bytes) -> None:
        error = refused(client.post("/things", content=raw, headers={"content-type": "application/json"}))
        assert error["message"].startswith("We could not parse the JSON body of your request.")

    @pytest.mark.parametrize(("raw", "code"), [
        (b'{"rate": NaN}', "invalid_type"), (b'{"rate": 1e999}', "invalid_type"),
        (b'{"rate": -Infinity}', "invalid_type"),
        (b'{"number": ' + b"9" * 400 + b"}", "integer_above_max_value"),
        (b'{"text": "\\ud800"}', "invalid_value"), (b'{"\\ud800": 1}', "invalid_value"),
        (b'{"metadata": {"\\udc00": "v"}}', "invalid_value"), (b'{"choice": "\\ud800"}', "invalid_value"),
    ])
    def test_numbers_and_text_that_cannot_be_kept(self, client: TestClient, raw: bytes, code: str) -> None:
        error = refused(client.post("/things", content=raw, headers={"content-type": "application/json"}))
        assert error["code"] == code
        assert len(error["message"]) < 400

    def test_no_body_at_all(self, client: TestClient) -> None:
        assert refused(client.post("/needy"))["message"] == "The request needs a JSON body, and none was sent."

    def test_a_missing_field(self, client: TestClient) -> None:
        error = refused(client.post("/needy", json={}))
        assert (error["param"], error["code"]) == ("name", "missing_required_parameter")

    @pytest.mark.parametrize(("body", "param"), [
        ({"name": 5, "zzz": 1}, "zzz"), ({"zzz": 1}, "name")])
    def test_a_missing_parameter_is_told_before_an_unknown_one_and_that_before_a_bad_one(
            self, client: TestClient, body: dict[str, Any], param: str) -> None:
        assert refused(client.post("/needy", json=body))["param"] == param

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""])
    def test_another_content_type(self, client: TestClient, content_type: str) -> None:
        error = refused(client.post("/needy", content=b'{"name": "x"}', headers={"content-type": content_type}), 415)
        assert error["code"] == "unsupported_content_type"
        assert "application/json" in error["message"]


class TestAddresses:
    @pytest.mark.parametrize(("query", "param", "code"), [
        ("limit=abc", "limit", "invalid_type"), ("limit=", "limit", "invalid_type"),
        ("limit=1.5", "limit", "invalid_type"), ("limit=-1", "limit", "integer_below_min_value"),
        ("limit=1" + "0" * 30, "limit", "integer_above_max_value"), ("limit=" + "9" * 5000, "limit", "invalid_type"),
        ("deep=perhaps", "deep", "invalid_type"), ("limit=%00", "limit", "invalid_type"),
    ])
    def test_query_values(self, client: TestClient, query: str, param: str, code: str) -> None:
        error = refused(client.get(f"/faults/x?{query}"))
        assert (error["param"], error["code"]) == (param, code)

    def test_path_values(self, client: TestClient) -> None:
        assert refused(client.get("/faults/a%00b"))["param"] == "name"
        assert refused(client.get("/faults/" + "x" * 21))["code"] == "string_above_max_length"

    def test_an_unknown_url(self, client: TestClient) -> None:
        assert refused(client.get("/nowhere"), 404)["message"] == "Invalid URL (GET /nowhere)"
        assert refused(client.get("/things/"), 404)

    def test_a_method_that_is_not_there(self, client: TestClient) -> None:
        answer = client.delete("/things")
        assert refused(answer, 405)["code"] == "method_not_supported"
        assert answer.headers["allow"] == "POST"


class TestFaults:
    def test_a_fact_with_a_status(self, client: TestClient) -> None:
        answer = client.get("/faults/conflict")
        assert refused(answer, 409)["code"] == "taken"
        assert answer.headers["x-should-retry"] == "false"

    def test_text_that_is_no_unicode_is_mended_on_the_way_out(self, client: TestClient) -> None:
        assert refused(client.get("/faults/surrogate"), 409)["message"] == "bad ? text"

    def test_a_value_that_the_database_refuses(self, client: TestClient) -> None:
        assert refused(client.get("/faults/data"))["code"] == "invalid_value"

    def test_a_database_that_is_away(self, client: TestClient) -> None:
        answer = client.get("/faults/down")
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1

    @pytest.mark.parametrize("name", ["bug", "twice"])
    def test_a_fault_of_ours_is_logged_and_not_shown(self, client: TestClient, name: str,
                                                     caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.ERROR):
            error = refused(client.get(f"/faults/{name}"), 500)
        assert error["type"] == "server_error"
        assert "secret" not in error["message"]
        assert type(FAULTS[name]).__name__ in caplog.text


def test_every_error_has_a_whole_body() -> None:
    assert ServiceError("x", code="c", param="p").body() == {
        "error": {"message": "x", "type": "server_error", "param": "p", "code": "c"}}
