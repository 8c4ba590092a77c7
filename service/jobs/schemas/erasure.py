"""Wire shapes of deleted data: what was made from it, and what of that still exists."""

from typing import Literal

from pydantic import Field

from service.jobs.states import JobStatus
from service.kit.schemas import Answer


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
