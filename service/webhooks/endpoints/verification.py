"""How to verify what is sent: for programs as JSON and for people as a page; both need no key and tell of nobody."""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.kit.schemas import Answer
from service.webhooks import verification
from service.webhooks.verification.page import page

router = APIRouter()


class Vector(Answer):
    name: str
    why: str
    valid: bool
    """Whether a verifier is to take the message."""
    secret: str
    id: str
    timestamp: str
    signature: str
    body: str
    """Of its UTF-8 bytes."""
    now: int
    """The Unix second in which it is looked at."""


class Snippet(Answer):
    language: str
    filename: str
    code: str


class Verification(Answer):
    object: Literal["webhook.verification"] = "webhook.verification"
    scheme: dict[str, str | int]
    headers: dict[str, str]
    steps: list[str]
    libraries: list[dict[str, str]]
    snippets: list[Snippet]
    vectors: list[Vector]


@router.get("/v1/webhooks/verification", response_model=Verification, operation_id="retrieveWebhookVerification")
async def retrieve() -> dict[str, Any]:
    """Tell how messages are signed, with code that verifies them and vectors to check it by; needs no key."""
    return {"scheme": verification.SCHEME, "headers": verification.HEADERS, "steps": list(verification.STEPS),
            "libraries": list(verification.LIBRARIES), "snippets": list(verification.snippets()),
            "vectors": list(verification.vectors())}


@router.get("/webhooks/verification", include_in_schema=False)
async def read() -> HTMLResponse:
    """The same for people."""
    return HTMLResponse(page(), headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})
