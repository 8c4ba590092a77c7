"""Wire shapes of projects, service accounts, API keys and the audit log."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from service.kit.schemas import Answer, PlainStr, Request, Timestamp

Name = Annotated[PlainStr, Field(min_length=1, max_length=256)]
_YEAR = 366 * 24 * 3600
Lifetime = Annotated[int, Field(ge=1, le=10 * _YEAR, description="Seconds until the key expires; never if left out.")]
Role = Annotated[Literal["member", "owner"], Field()]


Threshold = Annotated[int, Field(ge=1, le=2**53)]


class ProjectCreate(Request):
    name: Name


class ModelLifeUpdate(Request):
    """How long a model that is trained must live. Not a field of OpenAI's."""

    min_days: Annotated[int, Field(ge=0, le=3660, description=(
        "A job on a model that is known to shut down sooner is warned of or refused."))]
    action: Annotated[Literal["warn", "refuse"], Field(description="The house may refuse even what this warns of.")]


class TrainingPolicyUpdate(Request):
    """What a training file must have passed before a job may train on it. Not a field of OpenAI's."""

    max_verdict: Annotated[Literal["go", "warn", "block"], Field(
        description="The worst verdict of validation that may be trained on.")] = "block"
    min_reviewed_percent: Annotated[float, Field(ge=0, le=100, description=(
        "So many percent of the examples of a dataset version must have been decided by reviewers."))] = 0
    approval: Annotated[Literal["none", "any", "other_than_uploader"], Field(description=(
        "Whether a reviewer must have approved the dataset version as a whole, and whether that may be one who"
        " uploaded or made it."))] = "none"
    model_life: Annotated[ModelLifeUpdate | None, Field(description=(
        "Null: only the house's own rule counts."))] = None


class ProjectUpdate(Request):
    name: Name | None = None
    training_policy: Annotated[TrainingPolicyUpdate | None, Field(description=(
        "Left out: stays as it is. Null: everything may be trained on. Not a field of OpenAI's."))] = None
    spend_thresholds: Annotated[list[Threshold] | None, Field(max_length=20, description=(
        "Micro-dollars of a calendar month (UTC), settled and reserved together: `spend.threshold_reached` is told once"
        " a month for each that is reached, and nothing is stopped. Left out or null: stays as it is. Empty: nothing is"
        " told. Not a field of OpenAI's."))] = None


class ModelLife(Answer):
    """How long a model that is trained must live."""

    min_days: int
    action: Literal["warn", "refuse"]


class TrainingPolicy(Answer):
    """What a training file must have passed before a job may train on it."""

    max_verdict: Literal["go", "warn", "block"]
    min_reviewed_percent: float
    approval: Literal["none", "any", "other_than_uploader"]
    model_life: ModelLife | None = None


class Project(Answer):
    id: str
    object: Literal["organization.project"] = "organization.project"
    name: str
    slug: str
    """The project's part in the names of its tuned models. Not a field of OpenAI's."""
    created_at: Timestamp
    archived_at: Timestamp | None
    status: Literal["active", "archived"]
    training_policy: TrainingPolicy | None
    """What a training file must have passed; null when everything may be trained on. Not a field of OpenAI's."""
    spend_thresholds: list[int]
    """Micro-dollars of a calendar month at which `spend.threshold_reached` is told. Not a field of OpenAI's."""


class ServiceAccountCreate(Request):
    name: Name
    create_service_account_only: bool | None = None
    expires_in_seconds: Lifetime | None = None


class ServiceAccountUpdate(Request):
    name: Name | None = None
    role: Role | None = None


class ServiceAccount(Answer):
    id: str
    object: Literal["organization.project.service_account"] = "organization.project.service_account"
    name: str
    role: Literal["owner", "member", "none"]
    created_at: Timestamp


class KeyCreate(Request):
    name: Name | None = None
    expires_in_seconds: Lifetime | None = None


class NewKey(Answer):
    """A service account's key as it is shown once."""

    id: str
    object: Literal["organization.project.service_account.api_key"] = "organization.project.service_account.api_key"
    name: str
    value: str
    created_at: Timestamp
    expires_at: Timestamp | None


class NewServiceAccount(ServiceAccount):
    api_key: NewKey | None


class AccountOwner(Answer):
    id: str
    name: str
    role: str
    created_at: Timestamp


class KeyOwner(Answer):
    type: Literal["service_account"] = "service_account"
    service_account: AccountOwner


class ProjectKey(Answer):
    id: str
    object: Literal["organization.project.api_key"] = "organization.project.api_key"
    name: str
    redacted_value: str
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp | None
    owner: KeyOwner
    owner_project_access: Literal["active", "inactive"]


class AdminKeyCreate(Request):
    name: Name
    expires_in_seconds: Lifetime | None = None


class AdminOwner(Answer):
    """Admin keys belong to the organization itself; the SDK's shape asks for an owner."""

    id: str
    object: Literal["organization"] = "organization"
    type: Literal["organization"] = "organization"
    name: str
    role: Literal["owner"] = "owner"
    created_at: Timestamp


class AdminKey(Answer):
    id: str
    object: Literal["organization.admin_api_key"] = "organization.admin_api_key"
    name: str
    redacted_value: str
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp | None
    owner: AdminOwner


class NewAdminKey(AdminKey):
    value: str
    """Shown here and never again."""


class DeletedServiceAccount(Answer):
    id: str
    object: Literal["organization.project.service_account.deleted"] = "organization.project.service_account.deleted"
    deleted: Literal[True] = True


class DeletedProjectKey(Answer):
    id: str
    object: Literal["organization.project.api_key.deleted"] = "organization.project.api_key.deleted"
    deleted: Literal[True] = True


class DeletedAdminKey(Answer):
    id: str
    object: Literal["organization.admin_api_key.deleted"] = "organization.admin_api_key.deleted"
    deleted: Literal[True] = True


class AuditActor(Answer):
    type: Literal["api_key", "cli"]
    api_key: dict[str, str] | None


class AuditProject(Answer):
    id: str


class AuditLog(Answer):
    """One entry; what was done stands under the name of its type, such as "project.created": {"id": …}."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["organization.audit_log"] = "organization.audit_log"
    type: str
    effective_at: Timestamp
    actor: AuditActor
    project: AuditProject | None
    __pydantic_extra__: dict[str, dict[str, Any]]
