"""Makes requests: a valid one for a random route, and then, mostly, something wrong with it."""

import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.fixtures.whole_house import BASE, chat_lines
from tests.isolation.routes import Route, fields, routes
from tests.isolation.test_hostile import CONTENT_TYPES, HEADERS, NAMES, QUERY, RAW, SEGMENTS, VALUES

LEARNED = {"file": "file_id", "upload": "upload_id", "fine_tuning.job": "fine_tuning_job_id",
           "webhook_endpoint": "webhook_endpoint_id", "organization.project": "project_id",
           "organization.project.service_account": "service_account_id", "organization.admin_api_key": "key_id",
           "organization.project.service_account.api_key": "api_key_id", "dataset": "dataset_id",
           "fine_tuning.preflight": "preflight_id", "webhook_delivery": "webhook_delivery_id", "event": "event_id"}
"""The path parameter that an answer's id belongs to, by the answer's `object`."""
_KEPT_IDS = 4
_KEPT_PLACES = 12
_VERSION_NAMES = ["@", "x@", "@1", "x@0", "x@-1", "x@1.0", "x@99999999999999999999", "ds_x@-1", "x@\u0661", "dsver_",
                  "dsver_x", "fuzzed@1", "fuzzed@2", "fuzzed@99", "\U0001f4a9@1", "a@b@1", "ds_@1", "fuzzed @1"]
_TRANSFORMATIONS: list[dict[str, Any]] = [
    {"type": "drop_invalid"}, {"type": "deduplicate", "near": True}, {"type": "redact"}, {"type": "shuffle", "seed": 1},
    {"type": "split", "fraction": 0.5}, {"type": "sample", "examples": 3}, {"type": "merge"}, {"type": "prefer"},
    {"type": "add_system_prompt", "content": "Be kind."}, {"type": "apply_review", "review_id": "x"}]
_CHAT = {"model": BASE, "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 1}


@dataclass
class Ids:
    """Ids that answers have shown, by path parameter; the newest of each are kept."""

    seen: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    places: list[dict[str, str]] = field(default_factory=list)
    "Ids that belong together: a version and its data set, a review of it, and an item of that."

    def learn(self, answer: Any) -> None:
        if not isinstance(answer, dict):
            return
        for inner in ("api_key", "item"):
            self.learn(answer.get(inner))
        if answer.get("object") == "list" and isinstance(answer.get("data"), list):
            for each in answer["data"][:2]:
                if isinstance(each, dict) and str(each.get("object")).startswith(("dataset", "webhook_del", "event")):
                    self.learn(each)  # not projects or keys: those that the roles live by must stay out of reach
        self.learn_place(answer)
        parameter = LEARNED.get(str(answer.get("object")))
        if parameter and isinstance(answer.get("id"), str) and "deleted" not in answer:
            self.seen[parameter] = [*self.seen[parameter], answer["id"]][-_KEPT_IDS:]


    def learn_place(self, answer: dict[str, Any]) -> None:
        match answer:
            case {"object": "dataset.version", "id": version, "dataset_id": dataset}:
                place = {"dataset_id": dataset, "version": version, "other": version}
            case {"object": "dataset.review", "id": review, "dataset_id": dataset, "version_id": version}:
                place = {"dataset_id": dataset, "version": version, "other": version, "review_id": review}
            case {"object": "dataset.review.item", "id": item, "review_id": review}:
                place = next((each | {"item_id": item} for each in self.places if each.get("review_id") == review), {})
            case {"object": "dataset.preview", "id": preview, "version_id": version}:
                place = next((each | {"preview_id": preview} for each in self.places if each["version"] == version), {})
            case _:
                return
        if place and place not in self.places:
            self.places = [*self.places, place][-_KEPT_PLACES:]


@dataclass(frozen=True)
class Attack:
    """One request as it goes out, and what is odd about it."""

    route: str
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    about: str


class Attacker:
    """Seeded: the same seed and the same answers give the same requests."""

    def __init__(self, seed: int, ids: Ids) -> None:
        self.random = random.Random(seed)
        self.ids = ids
        self.twists = (self.nothing, self.raw_body, self.field_value, self.nested_value, self.unknown_field,
                       self.content_type, self.segment, self.query, self.header, self.method)

    def attack(self, key: str | None, *, is_admin: bool) -> Attack:
        """Mostly on routes that this kind of caller may use, since the others end at the door."""
        route = self.random.choice(routes())
        while route.is_administrative is not is_admin and self.random.random() < 0.8:
            route = self.random.choice(routes())
        request = self.valid(route, key)
        twist = self.random.choice(self.twists)
        return twist(route, request)

    def valid(self, route: Route, key: str | None) -> Attack:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        body = None
        if route.content_type == "application/json":
            headers["content-type"] = "application/json"
            body = json.dumps(self.document(route)).encode()
        elif route.content_type == "multipart/form-data":
            headers["content-type"] = "multipart/form-data; boundary=edge"
            body = self.form(route)
        return Attack(str(route), route.method, self.url(route), headers, body, "valid")

    def document(self, route: Route) -> dict[str, Any]:
        """A body that names what there is, where the description alone does not say what that is."""
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "createChatCompletion": lambda: dict(_CHAT),
            "createFineTuningJob": self.job,
            "createPreflight": lambda: {"model": BASE, **self.files()},
            "createDataset": lambda: {"name": self.random.choice(["fuzzed", f"no {self.random.random()}", "é"])},
            "previewDatasetSource": lambda: {"source": {"type": "file", "file_id": self.known("file_id")}},
            "createDatasetVersion": lambda: {"source": self.source()},
            "createDatasetPreview": lambda: {"model": BASE},
            "createDatasetReview": lambda: {"flagged": "all", "sampled": {"percent": 50}},
            "assignDatasetReviewItem": lambda: {"assignee": self.known("service_account_id")},
            "modifyProject": lambda: {"training_policy": {"max_verdict": "warn", "min_reviewed_percent": 1.5}}}
        make = made.get(route.operation)
        return make() if make else dict(route.request()["json"])

    def files(self) -> dict[str, Any]:
        return {"training_file": self.data(), "validation_file": self.data()}

    def job(self) -> dict[str, Any]:
        body = {"model": BASE, "training_file": self.data()}
        return body | ({"preflight": self.known("preflight_id")} if self.random.random() < 0.3 else {})

    def data(self) -> str:
        """What a job can be trained on, or something that looks like it."""
        version = self.random.choice(self.ids.places or [{"version": "dsver_x"}])["version"]
        return self.random.choice([self.known("file_id"), self.known("file_id"), version, version,
                                   f"{self.known('dataset_id')}@1", self.random.choice(_VERSION_NAMES)])

    def source(self) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return {"type": "file", "file_id": self.known("file_id")}
        return {"type": "transformation", "transformation": self.random.choice(_TRANSFORMATIONS),
                "versions": [self.data() for _ in range(self.random.choice([1, 1, 1, 2, 32]))]}

    def form(self, route: Route) -> bytes:
        name = "data" if "parts" in route.path else "file"
        word = self.random.choice([*[b"fine-tune"] * 6, b"batch", b"\xff", b""])
        purpose = b'--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n' + word + b"\r\n"
        content = self.random.choice([*[chat_lines(12)] * 20, chat_lines(2), *RAW[:20]])
        head = f'--edge\r\ncontent-disposition: form-data; name="{name}"; filename="a.jsonl"\r\n\r\n'
        return (purpose if name == "file" else b"") + head.encode() + content + b"\r\n--edge--\r\n"

    def known(self, parameter: str) -> str:
        return self.random.choice(self.ids.seen[parameter] or ["unknown"])

    def url(self, route: Route) -> str:
        ids = {name: BASE if name == "model" else self.known(name) for name in route.path_parameters}
        fitting = [place for place in self.ids.places if ids.keys() <= place.keys()]
        if fitting and self.random.random() < 0.9:
            ids |= self.random.choice(fitting)
        return route.url({name: quote(each, safe=":") for name, each in ids.items()})

    # -- what is wrong with it -------------------------------------------------------------------------

    def nothing(self, _: Route, request: Attack) -> Attack:
        return request

    def raw_body(self, _: Route, request: Attack) -> Attack:
        return changed(request, "raw body", body=self.random.choice(RAW), headers={"content-type": "application/json"})

    def field_value(self, route: Route, request: Attack) -> Attack:
        names = fields(route)
        if route.content_type != "application/json" or not names:
            return self.raw_body(route, request)
        name, value = self.random.choice(names), self.random.choice(VALUES)
        return changed(request, f"{name}={value!r:.40}", body=dumped(self.document(route) | {name: value}))

    def nested_value(self, route: Route, request: Attack) -> Attack:
        """A hostile value somewhere below a field, under the names that the schema knows there."""
        if not route.schema:
            return self.segment(route, request)
        name = self.random.choice(fields(route) or ["x"])
        value = self.grown(route.schema.get("properties", {}).get(name, {}), depth=5)
        return changed(request, f"{name}~{value!r:.60}", body=dumped({**_json(request.body), name: value}))

    def grown(self, schema: Any, *, depth: int) -> Any:
        """A value that follows the schema down to some point, and is hostile there."""
        if not isinstance(schema, dict) or depth == 0 or self.random.random() < 0.15:
            return self.random.choice(VALUES)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return self.grown(self.random.choice(choices), depth=depth - 1)
        if "enum" in schema or "const" in schema:
            return schema.get("const", self.random.choice(schema.get("enum", [None])))
        if schema.get("type") == "object" and schema.get("properties"):
            names = list(schema["properties"])
            return {name: self.grown(schema["properties"][name], depth=depth - 1)
                    for name in self.random.sample(names, self.random.randint(1, len(names)))}
        if schema.get("type") == "array":
            return [self.grown(schema.get("items"), depth=depth - 1) for _ in range(self.random.randint(0, 3))]
        return self.random.choice(["x", 1, 0.5, True, None, "auto", self.random.choice(VALUES)])

    def unknown_field(self, _: Route, request: Attack) -> Attack:
        name = self.random.choice(NAMES)
        return changed(request, f"field {name!r:.20}", body=dumped({**_json(request.body), name: 1}))

    def content_type(self, _: Route, request: Attack) -> Attack:
        value = self.random.choice(CONTENT_TYPES)
        body = request.body or self.random.choice([b"{}", b"--x\r\n\r\n", b"\xff\x00" * 10])
        return changed(request, f"content-type {value:.40}", body=body, headers={"content-type": value})

    def segment(self, route: Route, request: Attack) -> Attack:
        if not route.path_parameters:
            return self.query(route, request)
        twisted = self.random.choice(route.path_parameters)
        ids = {name: self.random.choice(SEGMENTS) if name == twisted else "x" for name in route.path_parameters}
        return changed(request, f"{twisted}={ids[twisted]:.30}", url=route.url(ids))

    def query(self, route: Route, request: Attack) -> Attack:
        name = self.random.choice([*route.query_parameters, "metadata[a]", "after", "limit", "x[]"])
        value = self.random.choice(QUERY)
        return changed(request, f"?{name}={value:.30}", url=f"{request.url}?{quote(name)}={quote(value, safe='%')}")

    def header(self, _: Route, request: Attack) -> Attack:
        odd = self.random.choice([each for each in HEADERS if "content-length" not in each
                                  and "transfer-encoding" not in each and "expect" not in each])
        return changed(request, f"{odd!r:.40}", headers=odd)

    def method(self, _: Route, request: Attack) -> Attack:
        method = self.random.choice(["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "HEAD", "DELETE", "GET", "POST"])
        return changed(request, f"method {method}", method=method)


def changed(request: Attack, about: str, *, method: str = "", url: str = "", body: bytes | None = None,
            headers: dict[str, str] | None = None) -> Attack:
    return Attack(request.route, method or request.method, url or request.url, request.headers | (headers or {}),
                  request.body if body is None else body, about)


def dumped(document: Any) -> bytes:
    return json.dumps(document).encode()


def _json(body: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
