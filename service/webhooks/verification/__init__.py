"""How receivers verify what they are sent: the scheme in words, code in four languages, and vectors to check it by."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

TOLERANCE_SECONDS = 300
SCHEME = {
    "name": "Standard Webhooks", "version": "1.0.0", "signature": "v1", "algorithm": "HMAC-SHA256",
    "secret": "whsec_ and base64 of the key's 32 bytes",
    "signed_content": "{webhook-id}.{webhook-timestamp}.{body}",
    "encoding": "v1, and base64 of the digest; several are divided by spaces",
    "tolerance_seconds": TOLERANCE_SECONDS,
}
HEADERS = {
    "webhook-id": "The delivery's id. It stays the same over all attempts, resends and replays: what you have taken"
                  " once under an id is not to be taken again.",
    "webhook-timestamp": "Unix time of this attempt, in seconds. Refuse what is more than five minutes off.",
    "webhook-signature": "One signature, or several while the secret is rotated. One that is right is enough.",
}
STEPS = (
    "Read the body as bytes, before anything parses it.",
    "Refuse a webhook-timestamp that is more than five minutes away from your clock.",
    "Decode the base64 after whsec_ to the key.",
    "Compute HMAC-SHA256 under the key over the id, a dot, the timestamp, a dot, and the body.",
    "Compare `v1,` and the digest in base64 with each signature, in constant time.",
    "Pass over a webhook-id that you have taken before, and answer it 2xx all the same.",
    "Answer 2xx as soon as the message is safe, and work on it afterwards: a slow answer is a failed attempt.",
)
LIBRARIES = (
    {"name": "openai", "use": "client.webhooks.unwrap(body, headers, secret=secret)"},
    {"name": "standardwebhooks", "use": "Webhook(secret).verify(body, headers)"},
    {"name": "svix", "use": "Webhook(secret).verify(body, headers)"},
)
_LANGUAGES = {"python": "verify.py", "node": "verify.mjs", "go": "verify.go", "shell": "verify.sh"}


@cache
def vectors() -> tuple[dict[str, Any], ...]:
    """Messages that a verifier must take, and such that it must refuse."""
    read = tomllib.loads((files(__name__) / "vectors.toml").read_text(encoding="utf-8"))
    return tuple(read["vectors"])


@cache
def snippets() -> tuple[dict[str, str], ...]:
    """A verifier in each language, complete."""
    return tuple({"language": language, "filename": name,
                  "code": (files(__name__) / "snippets" / name).read_text(encoding="utf-8")}
                 for language, name in _LANGUAGES.items())
