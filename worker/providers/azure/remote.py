"""Azure OpenAI as a Remote: the same verbs behind other doors, with a version of the API in every request."""

from collections.abc import Iterator
from typing import Any

from openai import AzureOpenAI, OpenAI

from worker.providers.azure.files import AzureUploader
from worker.providers.credential import Credential
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.openai.transport import TIMEOUT
from worker.providers.remote import Source, UploadProgress

API_VERSION = "2025-04-01-preview"
"""Spoken when the credential names none."""
_UNDATED = frozenset({"v1", "preview", "latest"})
"""Versions of the newer API, whose paths say so."""


class AzureRemote(OpenAIRemote):
    """Models are named as Azure names them; a deployment matters for inference alone."""

    def _key(self, secret: str) -> tuple[str, str]:
        return "api-key", secret

    def _opened(self, credential: Credential) -> OpenAI:
        endpoint, version = _endpoint(credential.base_url), _version(credential.options.get("api_version"))
        tail = "/openai/v1" if version in _UNDATED else "/openai"
        return AzureOpenAI(api_key=credential.secret, base_url=endpoint + tail, api_version=version, max_retries=0,
                           timeout=TIMEOUT, http_client=self._http)

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        return AzureUploader(self._client, self._caller).upload(source, begun)


def _endpoint(base_url: str | None) -> str:
    """The resource's own address: what people paste may go on with /openai."""
    endpoint = (base_url or "").rstrip("/")
    for tail in ("/v1", "/openai"):
        endpoint = endpoint.removesuffix(tail)
    return endpoint


def _version(wanted: Any) -> str:
    return wanted if isinstance(wanted, str) and wanted else API_VERSION
