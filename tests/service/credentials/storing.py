"""Requests that store credentials, as tests of several modules make them."""

from typing import Any

from fastapi.testclient import TestClient

from tests.fixtures.api import Tenant

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz-0042"
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"provider": "openai", "name": "main", "secret": SECRET},
    "azure": {"provider": "azure", "name": "azure-eu", "secret": SECRET,
              "base_url": "https://example.com/azure", "options": {"deployments": {"gpt-4o": "chat-1"}}},
    "compatible": {"provider": "compatible", "name": "bigger-house", "secret": SECRET,
                   "base_url": "https://example.com/v1"},
    "bedrock": {"provider": "bedrock", "name": "aws", "secret": SECRET, "session_token": "FwoGZXIvYXdzEXAMPLE==",
                "options": {"region": "us-west-2", "bucket": "tuning-files", "access_key_id": "AKIAIOSFODNN7EXAMPLE",
                            "role_arn": "arn:aws:iam::123456789012:role/Tuning"}},
}


def store(by: Tenant | TestClient, provider: str = "openai", **changes: Any) -> dict[str, Any]:
    """Store a credential with a project's key, or with an admin key for the whole organization."""
    client, path = (by.client, "/v1/credentials") if isinstance(by, Tenant) else (by, "/v1/organization/credentials")
    answer = client.post(path, json={**BODIES[provider], **changes})
    assert answer.status_code == 200, answer.text
    stored: dict[str, Any] = answer.json()
    return stored
