"""Azure OpenAI as a Remote: the same verbs behind other doors, with a version of the API in every request."""

from collections.abc import Iterator

from openai import AzureOpenAI, OpenAI

from service.credentials.addresses import AZURE_UNDATED, azure_endpoint, azure_version
from worker.providers.azure.files import AzureUploader
from worker.providers.credential import Credential
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.openai.transport import TIMEOUT
from worker.providers.remote import Source, UploadProgress


class AzureRemote(OpenAIRemote):
    """Models are named as Azure names them; a deployment matters for inference alone."""

    def _door(self, credential: Credential) -> dict[str, str]:
        return {"api-key": credential.secret}

    def _opened(self, credential: Credential) -> OpenAI:
        endpoint, version = azure_endpoint(credential.base_url), azure_version(credential.options)
        tail = "/openai/v1" if version in AZURE_UNDATED else "/openai"
        return AzureOpenAI(api_key=credential.secret, base_url=endpoint + tail, api_version=version, max_retries=0,
                           timeout=TIMEOUT, http_client=self._http)

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        return AzureUploader(self._client, self._caller).upload(source, begun)
