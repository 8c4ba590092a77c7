"""Wire shapes of credentials. Nothing secret is in any answer; nothing secret is in the text of any request's error."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError

from service.credentials.addresses import AZURE_VERSION, is_header
from service.credentials.keys import can_sign
from service.kit.explanations import explain
from service.kit.schemas import Answer, JSONObject, PlainStr, Request, Timestamp

Provider = Literal["openai", "azure", "compatible", "bedrock"]
Name = Annotated[PlainStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description=(
    "Unique in the project. Models of a compatible server are called <name>/<their name>."))]
URL = Annotated[PlainStr, Field(min_length=1, max_length=2048)]
Plain = Annotated[PlainStr, Field(min_length=1, max_length=256)]


def _in_a_header(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be visible ASCII characters only, as it was issued, without spaces or line breaks")
    return secret


Secret = Annotated[SecretStr, Field(min_length=1, max_length=8192), AfterValidator(_in_a_header)]


def _header(value: str) -> str:
    if not is_header(value):
        raise ValueError("must be printable ASCII characters only")
    return value


InAHeader = Annotated[Plain, AfterValidator(_header)]


def _signs(secret: SecretStr) -> SecretStr:
    if not can_sign(secret.get_secret_value()):
        raise ValueError("must be the signing secret as the provider shows it: whsec_ and at least 16 bytes in base64"
                         " (whsec_MDEyMzQ1Njc4OWFiY2RlZg==), or without whsec_ at least 16 characters")
    return secret


SigningSecret = Annotated[Secret, AfterValidator(_signs)]


class OpenAIOptions(Request):
    """Which of the key's organizations and projects is billed; the key's own default if left out."""

    organization: InAHeader | None = None
    project: InAHeader | None = None


class AzureOptions(Request):
    api_version: Annotated[PlainStr, Field(pattern=r"^(\d{4}-\d{2}-\d{2}(-preview)?|v1|preview)$")] = AZURE_VERSION
    deployments: Annotated[dict[Plain, Plain], Field(max_length=500, description=(
        "Which deployment answers for which model: {model name: deployment}."))] = {}  # noqa: RUF012 - pydantic copies it


class CompatibleOptions(Request):
    """Nothing is needed besides base URL and key."""


class BedrockOptions(Request):
    region: Annotated[PlainStr, Field(pattern=r"^[a-z0-9-]{4,32}$")]
    bucket: Annotated[PlainStr, Field(pattern=r"^[a-z0-9.-]{3,63}$", description="Where training files are staged.")]
    prefix: Annotated[PlainStr, Field(max_length=256)] = "tuneworks/"
    role_arn: Annotated[PlainStr, Field(pattern=r"^arn:[a-z0-9-]+:iam::\d{12}:role/.{1,512}$", description=(
        "The role that Bedrock takes on to read and write the bucket."))]
    access_key_id: Annotated[PlainStr, Field(pattern=r"^[A-Z0-9]{16,128}$", description=(
        "Belongs to the secret access key, which is the credential's secret."))]


OPTIONS: dict[str, type[Request]] = {"openai": OpenAIOptions, "azure": AzureOptions, "compatible": CompatibleOptions,
                                     "bedrock": BedrockOptions}


def checked_options(provider: str, given: JSONObject | None) -> JSONObject:
    """The options as they are stored. Raises InvalidRequest, naming the one that does not fit the provider."""
    try:
        return OPTIONS[provider].model_validate(given or {}).model_dump(exclude_none=True)
    except ValidationError as refused:
        first = refused.errors()[0]
        raise explain({**first, "loc": ("body", "options", *first["loc"])}) from None


Options = Annotated[JSONObject, Field(description=(
    "What the provider needs besides the secret. openai: organization, project. azure: api_version, deployments"
    " {model: deployment}. bedrock: region, bucket, prefix, role_arn, access_key_id. compatible: nothing."))]


class CredentialCreate(Request):
    provider: Provider
    name: Name
    secret: Annotated[Secret, Field(description="The API key, or the secret access key of AWS. Never shown again.")]
    session_token: Annotated[Secret | None, Field(description="Of temporary AWS keys.")] = None
    webhook_secret: Annotated[SigningSecret | None, Field(description=(
        "What the provider signs its webhooks with, to be sent to /v1/credentials/{id}/webhook: whsec_ and at least"
        " 16 bytes in base64, or without whsec_ at least 16 characters."))] = None
    base_url: Annotated[URL | None, Field(description=(
        "Where the server answers; needed for azure (https://<resource>.openai.azure.com) and compatible."))] = None
    options: Options | None = None


class CredentialUpdate(Request):
    """Fields that are left out stay as they are."""

    name: Name | None = None
    secret: Secret | None = None
    session_token: Secret | None = None
    webhook_secret: Annotated[SigningSecret | None, Field(description="Null removes it.")] = None
    base_url: Annotated[URL | None, Field(description="A new one needs the secret anew.")] = None
    options: Annotated[Options | None, Field(description="Replaces all options.")] = None


class CredentialSummary(Answer):
    """A credential as lists show it."""

    id: str
    object: Literal["credential"] = "credential"
    provider: Provider
    name: str
    scope: Literal["project", "organization"]
    """organization: every project of the organization may use it, and none may change it."""
    base_url: str | None
    options: JSONObject
    hint: str
    """The last four characters of the secret; empty for a short one."""
    has_webhook_secret: bool
    status: Literal["unchecked", "valid", "refused", "unreachable"]
    status_details: str | None
    checked_at: Timestamp | None
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp


class ListedModel(Answer):
    id: str
    owned_by: str
    shutdown_date: str | None


class Credential(CredentialSummary):
    models: list[ListedModel]
    """What its server listed when it was last checked, at most 1,000."""


class DeletedCredential(Answer):
    id: str
    object: Literal["credential.deleted"] = "credential.deleted"
    deleted: Literal[True] = True
    jobs_left: int = Field(0, description="Jobs that its server may be training still: nobody here can end them any"
                                          " more.")
    remote_job_ids: list[str] = Field(default_factory=list, description="What the server calls these jobs, the first"
                                                                        " 100: look for them in its account.")
    files_left: int = Field(0, description="Copies of files that lie at its server still: nobody here can erase them"
                                           " any more.")
    remote_file_ids: list[str] = Field(default_factory=list, description="What the server calls these copies, the first"
                                                                         " 100.")
    models_left: int = Field(0, description="Tuned models that it led to: they answer again once a credential for the"
                                            " same server is stored and checked.")


def given(body: CredentialUpdate, field: str) -> bool:
    """Whether the caller named the field, be it with null."""
    return field in body.model_fields_set


def plain(secret: SecretStr | None) -> Any:
    return secret.get_secret_value() if secret is not None else None
