"""Wire shapes of jobs, their events and their checkpoints: OpenAI's, with `method.supervised.tuning` added."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.catalog.methods import Hyperparameters, Method
from service.jobs.states import JobStatus
from service.kit.pagination import Page
from service.kit.schemas import Answer, JSONObject, Metadata, PlainStr, Request, ShownId, Timestamp

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
    credential: Id | None = Field(
        None, description="Id or name of the credential that pays, for a model that a server trains for money; its"
                          " provider's newest that works, when it is left out.")
    integrations: Annotated[list[Any], Field(max_length=5)] | None = Field(
        None, description="Must be empty: nothing is sent to other services.")


class JobCreate(JobBody):
    """A job to start."""

    preflight: Id | None = Field(
        None, description="Id of a pre-flight of the same files and method, with this model among its candidates.")


_OrEmpty = BeforeValidator(lambda value: {} if value is None else value)
_OrNothing = BeforeValidator(lambda value: [] if value is None else value)


class Job(Answer):
    """A fine-tuning job. `error` is {} unless the job failed, as the real servers have it."""

    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    id: ShownId
    model: str
    created_at: Timestamp
    finished_at: Timestamp | None
    fine_tuned_model: str | None
    organization_id: str = Field(validation_alias="shown_organization")
    result_files: list[str] = Field(validation_alias="shown_result_files")
    status: JobStatus
    validation_file: str | None = Field(validation_alias="shown_validation_file")
    training_file: str = Field(validation_alias="shown_training_file")
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
    provider: str = Field(description="Who trains it: local, or the kind of server; not in OpenAI's API.")
    credential: str | None = Field(None, validation_alias="credential_id",
                                   description="Id of the credential that pays a server for it.")
    successor_of: str | None = Field(None, validation_alias="shown_successor_of",
                                     description="The job whose data and hyper-parameters this one trains again.")
    successors: list[str] = Field(default_factory=list, description="The jobs that train this one's again.")


class JobList(Answer):
    """A page of jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[Job]
    has_more: bool


class JobEvent(Answer):
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    id: ShownId
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
    id: ShownId
    created_at: Timestamp
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str = Field(validation_alias="job_id")
    metrics: JSONObject
    step_number: int


class CheckpointList(Page[Checkpoint]):
    """A page of checkpoints, newest first."""
