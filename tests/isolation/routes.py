"""Every route of the application as its OpenAPI description tells it, with a valid request for each."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from service.app import create_app

PUBLIC = frozenset({"/healthz", "/readyz", "/v1/credentials/{credential_id}/webhook", "/v1/webhooks/verification"})
"""Routes that ask for no key; that of webhooks asks for a signature (tests/service/jobs/test_remote_webhooks.py)."""
BODIES: dict[str, dict[str, Any]] = {
    "createFineTuningJob": {"model": "smollm2-135m-instruct", "training_file": "file-unknown"},
    "createPreflight": {"model": "smollm2-135m-instruct", "training_file": "file-unknown"},
    "createImport": {"provider": "openai"},
    "retrainFineTuningJob": {"model": "smollm2-135m-instruct"},
    "retrainFineTuningJobs": {"model": "smollm2-135m-instruct", "all": True},
    "createModelMapping": {"model": "ft:gone", "successor": "smollm2-135m-instruct"},
    "updateModelMapping": {"successor": "smollm2-135m-instruct"},
    "createUpload": {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 10, "mime_type": "application/jsonl"},
    "createChatCompletion": {"model": "ft:unknown", "messages": [{"role": "user", "content": "Hi"}]},
    "createDatasetVersion": {"source": {"type": "file", "file_id": "file-unknown"}},
    "previewDatasetSource": {"source": {"type": "file", "file_id": "file-unknown"}},
    "replayWebhookEndpoint": {"since": 0},
    "createWebhookEndpoint": {"name": "ops", "url": "https://example.com/",
                              "event_types": ["fine_tuning.job.succeeded"]},
}
"""Valid bodies of operations whose schema does not say enough to make one; add yours here when it is needed."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    operation: str
    path_parameters: tuple[str, ...]
    query_parameters: tuple[str, ...]
    content_type: str
    schema: dict[str, Any] = field(hash=False)
    "JSON schema of the body, empty where there is none."

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return self.path in PUBLIC

    @property
    def is_administrative(self) -> bool:
        return self.path.startswith("/v1/organization")

    def url(self, ids: dict[str, str]) -> str:
        return re.sub(r"{(\w+)}", lambda match: ids[match[1]], self.path)

    def request(self) -> dict[str, Any]:
        """Arguments of a client's `request` that make the body valid."""
        if self.content_type == "multipart/form-data":
            return {"files": {"file": ("a.jsonl", b"{}\n"), "data": ("part", b"bytes")},
                    "data": {"purpose": "fine-tune"}}
        if not self.schema:
            return {}
        return {"json": BODIES.get(self.operation) or example(self.schema)}


@cache
def routes() -> tuple[Route, ...]:
    """All routes, in the order of the documentation."""
    document = create_app().openapi()
    return tuple(
        Route(method.upper(), path, described["operationId"], _parameters(described, "path"),
              _parameters(described, "query"), *_body(described, document))
        for path, methods in document["paths"].items() for method, described in methods.items())


def _parameters(described: dict[str, Any], place: str) -> tuple[str, ...]:
    return tuple(each["name"] for each in described.get("parameters", []) if each["in"] == place)


def _body(described: dict[str, Any], document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    for content_type, content in described.get("requestBody", {}).get("content", {}).items():
        return content_type, _resolved(content.get("schema", {}), document, depth=6)
    return "", {}


def _resolved(schema: Any, document: dict[str, Any], *, depth: int) -> Any:
    """The schema with its references put in place, down to `depth`."""
    if isinstance(schema, list):
        return [_resolved(each, document, depth=depth) for each in schema]
    if not isinstance(schema, dict) or depth == 0:
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _resolved(document["components"]["schemas"][name], document, depth=depth - 1)
    return {key: _resolved(value, document, depth=depth) for key, value in schema.items()}


def example(schema: dict[str, Any]) -> Any:
    """A value that satisfies the schema, as plain as can be."""
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return example(schema[choice][0])
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "object":
        return {name: example(schema["properties"][name]) for name in schema.get("required", [])}
    if schema.get("type") == "array":
        return [example(schema["items"])] * schema.get("minItems", 0)
    return {"string": "example", "integer": schema.get("minimum", 1), "number": schema.get("minimum", 1.0),
            "boolean": True, "null": None}[schema.get("type", "string")]


def fields(route: Route) -> list[str]:
    """Names of the body's fields at its top level."""
    schema = next((each for each in route.schema.get("anyOf", []) if "properties" in each), route.schema)
    return list(schema.get("properties", {}))


def normal(text: str, *ids: str) -> str:
    """An answer with the ids that were asked for, and what differs each time, taken out."""
    for each in ids:
        text = text.replace(each, "<id>").replace(json.dumps(each)[1:-1], "<id>")
    return text
