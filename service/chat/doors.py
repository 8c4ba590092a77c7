"""Where each provider takes chats, and how the request is addressed and signed there."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from service.chat.errors import NotServedHere, RemoteUnavailable
from service.credentials.addresses import AZURE_UNDATED, OPENAI_URL, azure_endpoint, azure_version, billed
from service.credentials.operations import OpenCredential
from service.kit import addresses


@dataclass(frozen=True, slots=True)
class Door:
    url: str
    model: str
    "What the body calls the model."
    headers: dict[str, str] = field(repr=False)


def chat_door(credential: OpenCredential, names: Iterable[str], *, shown: str, allow_private: bool) -> Door:
    """Where the model answers that its server knows by the first of `names`; a deployment may be named by any of them.

    Raises NotServedHere where nobody said which deployment serves it, RemoteUnavailable for what cannot be called.
    """
    known = list(names)
    door = _azure(credential, known, shown) if credential.provider == "azure" else Door(
        f"{(credential.base_url or OPENAI_URL).rstrip('/')}/chat/completions", known[0], _bearer(credential))
    try:
        addresses.check_url(door.url, allow_private=allow_private)
    except addresses.InvalidURL as invalid:
        raise RemoteUnavailable(f"its base URL {invalid}") from invalid
    return door


def _bearer(credential: OpenCredential) -> dict[str, str]:
    return {"authorization": f"Bearer {credential.secret}", **billed(credential.provider, credential.options)}


def _azure(credential: OpenCredential, names: list[str], shown: str) -> Door:
    deployments: Any = credential.options.get("deployments")
    named = deployments if isinstance(deployments, dict) else {}
    deployment = next((named[name] for name in (shown, *names) if isinstance(named.get(name), str)), None)
    if deployment is None:
        raise NotServedHere(shown, "Azure answers by deployment, and the credential names none for it. Deploy the"
                                   f' model, then add "{shown[:100]}": "<deployment>" to the deployments in the'
                                   f" options of credential {credential.id}.")
    version, endpoint = azure_version(credential.options), azure_endpoint(credential.base_url)
    headers = {"api-key": credential.secret}
    if version in AZURE_UNDATED:
        return Door(f"{endpoint}/openai/v1/chat/completions?api-version={version}", deployment, headers)
    path = f"{endpoint}/openai/deployments/{quote(deployment, safe='')}/chat/completions"
    return Door(f"{path}?api-version={quote(version, safe='')}", deployment, headers)
