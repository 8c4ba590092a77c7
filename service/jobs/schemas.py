"""Wire shapes of jobs, their events and their checkpoints: OpenAI's, with `method.supervised.tuning` added."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.catalog.methods import Hyperparameters, Method
from service.jobs.states import JobStatus
from service.kit.pagination import Page
from service.kit.schemas import Answer, JSONObject, Metadata, PlainStr, Request, Timestamp
from service.tenants.schemas import TrainingPolicy

Suffix = Annotated[PlainStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Id = Annotated[PlainStr, Field(max_length=256)]


class JobBody(Request):
    """What to train, on what, and how."""

    model: Annotated[PlainStr, Field(max_length=256)] = Field(
        description="A base model of GET /v1/models, or a tuned model to go on from.")
    training_file: Id = Field(
        description="Id of an uploaded file with purpose fine-tune, or a version of a data set: dsver_…, ds_…@number"
                    " or name@number.")
    validation_file: Id | None = Field(
        None, description="The same for the file whose loss is measured, which is never trained on.")
    method: Method | None = None
    hyperparameters: Hyperparameters | None = Field(
        None, description="The older place of method.supervised.hyperparameters.",
        json_schema_extra={"deprecated": True})
    suffix: Suffix | None = Field(None, description="Becomes part of the tuned model's name.")
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        None, description="Makes a run repeatable; chosen when it is left out.")
    metadata: Metadata | None = None
    integrations: Annotated[list[Any], Field(max_length=5)] | None = Field(
        None, description="Must be empty: nothing is sent to other services.")


class JobCreate(JobBody):
    """A job to start."""

    preflight: Id | None = Field(
        None, description="Id of a pre-flight of the same files and method, with this model among its candidates.")


class PreflightCreate(JobBody):
    """The body of a job that is not started, and other models that might be trained instead."""

    candidates: Annotated[list[Annotated[PlainStr, Field(max_length=256)]], Field(max_length=10)] = Field(
        default_factory=list, description="More models to compare with `model`; any that GET /v1/models shows.")


_OrEmpty = BeforeValidator(lambda value: {} if value is None else value)
_OrNothing = BeforeValidator(lambda value: [] if value is None else value)


class Job(Answer):
    """A fine-tuning job. `error` is {} unless the job failed, as the real servers have it."""

    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    id: str
    model: str
    created_at: Timestamp
    finished_at: Timestamp | None
    fine_tuned_model: str | None
    organization_id: str
    result_files: list[str]
    status: JobStatus
    validation_file: str | None
    training_file: str
    hyperparameters: JSONObject | None
    trained_tokens: int | None
    error: Annotated[JSONObject, _OrEmpty]
    user_provided_suffix: str | None = Field(validation_alias="suffix")
    seed: int
    estimated_finish: Timestamp | None
    integrations: Annotated[list[Any], _OrNothing]
    metadata: dict[str, str] | None = Field(validation_alias="metadata_")
    usage_metrics: None = None
    shared_with_openai: bool = False
    eval_id: None = None
    method: JSONObject
    training_dataset_version: str | None = Field(
        validation_alias="training_version", description="The version of a data set that `training_file` belongs to.")
    validation_dataset_version: str | None = Field(validation_alias="validation_version")
    preflight: str | None = Field(None, description="What was known before the job began; not in OpenAI's API.")


class JobList(Answer):
    """A page of jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[Job]
    has_more: bool


class JobEvent(Answer):
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    id: str
    created_at: Timestamp
    level: Literal["info", "warn", "error"]
    message: str
    data: Annotated[JSONObject, _OrEmpty]
    type: Literal["message", "metrics"]


class JobEventList(Answer):
    """A page of events, newest first."""

    object: Literal["list"] = "list"
    data: list[JobEvent]
    has_more: bool


class Checkpoint(Answer):
    """A state of the weights that can be used as a model."""

    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    id: str
    created_at: Timestamp
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str = Field(validation_alias="job_id")
    metrics: JSONObject
    step_number: int


class CheckpointList(Page[Checkpoint]):
    """A page of checkpoints, newest first."""


class Policy(Answer):
    """What the project demands of data before a job may train on it."""

    object: Literal["fine_tuning.policy"] = "fine_tuning.policy"
    project_id: str
    training_policy: TrainingPolicy | None
    "Null when everything may be trained on."


class ReachedVersion(Answer):
    id: str
    dataset_id: str
    number: int
    relation: Literal["itself", "derived", "copy"] = Field(
        description="A copy has the very same bytes. What is derived may still hold its lines.")
    exists: bool


class ReachedFile(Answer):
    """An uploaded file that one of the versions was made from, and that is still there."""

    id: str
    filename: str


class ReachedJob(Answer):
    id: str
    status: JobStatus
    model: str


class ReachedModel(Answer):
    name: str
    job_id: str
    exists: bool = Field(description="False for a tuned model that was deleted.")


class Reach(Answer):
    """Everything that was made from some data. Nothing of it is changed by deleting the data."""

    versions: list[ReachedVersion]
    files: list[ReachedFile]
    jobs: list[ReachedJob] = Field(description="Also those that went on from a model that is reached.")
    models: list[ReachedModel] = Field(description="Tuned models and checkpoints. Delete them with DELETE"
                                                   " /v1/models/{model}.")
    truncated: bool = Field(description="True when there is more of one kind than the 1,000 that are listed.")


class VersionDeletion(Answer):
    """What deleting a version did, or would do, and what it does not undo."""

    id: str
    object: Literal["dataset.version.deleted"] = "dataset.version.deleted"
    deleted: bool = Field(description="False for a dry run.")
    dry_run: bool
    used_by: int = Field(description="Jobs that name the version or its file.")
    reach: Reach


class DatasetDeletion(Answer):
    """The same for a data set with all its versions."""

    id: str
    object: Literal["dataset.deleted"] = "dataset.deleted"
    deleted: bool = Field(description="False for a dry run.")
    dry_run: bool
    used_by: int = Field(description="Jobs that name one of the versions or its file.")
    reach: Reach


Severity = Literal["block", "warn", "info"]
Verdict = Literal["go", "warn", "block"]


class Reason(Answer):
    """Why a verdict is what it is. `block`: the job would fail or be useless; `warn`: look before you pay."""

    severity: Severity
    code: str
    message: str
    param: str | None


class FileSummary(Answer):
    """What was found in one file; GET /v1/files/{id}/validation tells all of it."""

    file_id: str
    status: Literal["pending", "completed", "failed"]
    percent_read: float | None
    format: str | None = None
    bytes: int | None = None
    lines: int | None = None
    examples: int | None = None
    errors: int | None = None
    warnings: int | None = None
    infos: int | None = None
    counts: dict[str, int] = Field(default_factory=dict, description="Findings by kind.")
    verdict: Verdict | None = None
    score: int | None = None
    tokens: JSONObject | None = None
    duplicates: dict[str, int] | None = None
    privacy: dict[str, int] | None = Field(None, description="Personal data and secrets by kind.")


class Span(Answer):
    """An interval: at least, most likely, at most."""

    low: int | None
    expected: int | None
    high: int | None


class EpochTokens(Span):
    exact: bool = Field(description="Counted by the model's own tokenizer, every line.")
    basis: str


class CandidateCost(Span):
    """Whole micro-dollars; 1,000,000 is one dollar. Null where it cannot be told beforehand."""

    per_million_tokens: int | None
    per_hour: int | None
    source: str
    as_of: str
    note: str | None


class CandidateDuration(Span):
    """Seconds of training, without the wait for its turn."""

    basis: str


class CandidateMemory(Answer):
    """Bytes of one device: what training needs and what is there."""

    needed: int
    available: int | None
    fits: Literal["yes", "no", "unknown"]
    device: str | None
    host: str | None
    checkpointing: bool | None


class CandidateOverContext(Answer):
    """Examples longer than the model reads in training; they are cut at their end."""

    context: int
    examples: int
    tokens: int
    longest: int


class Wait(Answer):
    """What is in front of this job, as far as this project can see."""

    running: int
    queued: int
    seconds: int | None
    note: str


class Candidate(Answer):
    """What training one model on these files would be like."""

    model: str
    base_model: str | None
    provider: str | None
    verdict: Verdict
    reasons: list[Reason]
    method: str
    method_fits: bool
    tuning: JSONObject | None
    context_length: int | None
    training_ends: str | None
    shutdown_date: str | None
    epochs: int | None = None
    batch_size: int | None = None
    tokens_per_epoch: EpochTokens | None = None
    billed_tokens: Span | None = Field(None, description="Of all epochs. The validation file is not billed.")
    over_context: CandidateOverContext | None = None
    cost: CandidateCost | None = None
    duration: CandidateDuration | None = None
    memory: CandidateMemory | None = Field(None, description="On the machine that suits it best.")
    machines: list[CandidateMemory] = Field(default_factory=list)
    queue: Wait | None = None


class PreflightReport(Answer):
    """What is kept of a pre-flight."""

    reasons: list[Reason] = Field(default_factory=list, description="The weightiest first.")
    training_file: FileSummary
    validation_file: FileSummary | None = None
    leakage: JSONObject | None = Field(None, description="What the two files have in common; null when not compared.")
    candidates: list[Candidate] = Field(default_factory=list, description="The model that is asked for first.")
    policy: list[str] = Field(default_factory=list, description="What the project's training policy still asks for.")
    limits: JSONObject | None = None
    budget: JSONObject | None = None
    budget_note: str = "This house keeps no spending limits yet."


class Preflight(PreflightReport):
    """What is known of a job before it begins; once completed, it never changes."""

    id: str
    object: Literal["fine_tuning.preflight"] = "fine_tuning.preflight"
    created_at: Timestamp
    completed_at: Timestamp | None
    status: Literal["pending", "completed"]
    verdict: Verdict | None = Field(description="Null until every line of the files was read.")
    model: str
    method: JSONObject


class PreflightList(Page[Preflight]):
    """A page of pre-flights, newest first."""
