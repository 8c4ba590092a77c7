"""Rows of fine-tuning jobs, their events, their checkpoints, their pre-flights, and what is at remote servers."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.states import JobStatus
from service.kit.database import Base, Positioned, Streamed, Tenanted

_IN = ", ".join(f"'{status}'" for status in JobStatus)
_STATUS = Enum(JobStatus, native_enum=False, length=32, values_callable=lambda words: [str(word) for word in words])
_TERMINAL = ", ".join(f"'{status}'" for status in JobStatus if status.is_terminal)


class Job(Tenanted, Positioned, Base):
    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status in ({_IN})", name="status"),
        CheckConstraint(f"finished_at is null or status in ({_TERMINAL})", name="finished"),
        Index("ix_jobs_metadata", "metadata", postgresql_using="gin"),
        Index("ix_jobs_training_file", "project_id", "training_file"),
        Index("ix_jobs_validation_file", "project_id", "validation_file"),
        UniqueConstraint("project_id", "alias"),
    )

    organization_id: Mapped[str]
    model: Mapped[str]
    "What is trained: a base model of the catalog, resolved from its alias, or a tuned model's name."
    base_model: Mapped[str]
    provider: Mapped[str]
    status: Mapped[JobStatus] = mapped_column(_STATUS, server_default="validating_files")
    method: Mapped[dict[str, Any]]
    'The method as the wire shows it: type, hyperparameters ("auto" until resolved) and tuning.'
    training_file: Mapped[str]
    validation_file: Mapped[str | None]
    training_version: Mapped[str | None]
    "The version of a data set whose file `training_file` is; null for a file that is none's."
    validation_version: Mapped[str | None]
    suffix: Mapped[str | None]
    seed: Mapped[int]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    integrations: Mapped[list[Any] | None]
    cancel_requested_at: Mapped[datetime | None]
    pause_requested_at: Mapped[datetime | None]
    resume_requested_at: Mapped[datetime | None]
    "Of a job that is paused at a server, which decides."
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    estimated_finish: Mapped[datetime | None]
    trained_tokens: Mapped[int | None] = mapped_column(BigInteger)
    fine_tuned_model: Mapped[str | None]
    model_code: Mapped[str]
    "The 8 characters at the end of the tuned model's name, drawn when the job is made so that every retry agrees."
    result_files: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    error: Mapped[dict[str, Any] | None]
    handle: Mapped[dict[str, Any] | None]
    "What the provider gave for the running job; survives restarts."
    last_step: Mapped[int] = mapped_column(server_default=text("0"))
    total_steps: Mapped[int | None]
    preflight: Mapped[str | None]
    "Id of its pre-flight; null for jobs that are older than pre-flights."
    credential_id: Mapped[str | None]
    "With what its provider is paid; null for a job that trains in this house."
    alias: Mapped[str | None]
    "What the server that it was imported from calls it; callers know it by that."
    original: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    "Words of another server that are shown in place of ours: ids of its organization and files, its method."
    successor_of: Mapped[str | None]
    "Id of the job whose data, split and hyper-parameters this one trains again."
    successors: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    "Ids of the jobs that train this one's again, oldest first; only ever added to under this row's lock."
    answers_for: Mapped[str | None]
    "The model that this job's own is to answer for once there is one; see `model_mappings`."

    @property
    def shown_id(self) -> str:
        return self.alias or self.id

    def _shown(self, field: str) -> Any:
        original = self.original or {}
        return original[field] if field in original else getattr(self, field)

    @property
    def shown_organization(self) -> str:
        return str(self._shown("organization_id"))

    @property
    def shown_training_file(self) -> str:
        return str(self._shown("training_file"))

    @property
    def shown_validation_file(self) -> str | None:
        file: str | None = self._shown("validation_file")
        return file

    @property
    def shown_result_files(self) -> list[str]:
        return list(self._shown("result_files"))

    @property
    def shown_successor_of(self) -> str | None:
        job: str | None = self._shown("successor_of")
        return job

    @property
    def hyperparameters(self) -> dict[str, Any] | None:
        """Those of a supervised job, where OpenAI's older clients look for them."""
        supervised: dict[str, Any] = self.method.get("supervised", {})
        return supervised.get("hyperparameters")


class JobEvent(Tenanted, Positioned, Streamed, Base):
    """One line of a job's log. `key` makes each happen once, however often the work behind it is repeated."""

    __tablename__ = "job_events"
    __table_args__ = (
        UniqueConstraint("project_id", "job_id", "key"),
        CheckConstraint("level in ('info', 'warn', 'error')", name="level"),
        Index("ix_job_events_alias", "project_id", "alias"),
        Index("ix_job_events_streamed", "project_id", "job_id", "transaction_id", "position"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    key: Mapped[str]
    level: Mapped[str] = mapped_column(server_default="info")
    type: Mapped[str] = mapped_column(server_default="message")
    message: Mapped[str]
    data: Mapped[dict[str, Any] | None]
    alias: Mapped[str | None]
    "What the server calls the line that was mirrored; callers know it by that."

    @property
    def shown_id(self) -> str:
        return self.alias or self.id


class Checkpoint(Tenanted, Positioned, Base):
    __tablename__ = "job_checkpoints"
    __table_args__ = (
        UniqueConstraint("project_id", "job_id", "step_number"),
        Index("ix_job_checkpoints_alias", "project_id", "alias"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    step_number: Mapped[int]
    fine_tuned_model_checkpoint: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    artifact_prefix: Mapped[str | None]
    "Null for one whose weights lie at a remote server."
    alias: Mapped[str | None]
    "What the server calls the checkpoint that was mirrored; callers know it by that."

    @property
    def shown_id(self) -> str:
        return self.alias or self.id


class Preflight(Tenanted, Positioned, Base):
    """What was known of a job before it began. Once it is completed nothing in it changes, which a trigger enforces."""

    __tablename__ = "preflights"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'completed')", name="status"),
        CheckConstraint("verdict in ('go', 'warn', 'block')", name="verdict"),
        CheckConstraint("(status = 'completed') = (verdict is not null)", name="completed"),
    )

    status: Mapped[str] = mapped_column(server_default="pending")
    verdict: Mapped[str | None]
    request: Mapped[dict[str, Any]]
    "The body of the job that is meant, and the other candidates."
    training_file: Mapped[str]
    validation_file: Mapped[str | None]
    leakage: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    "What the two files have in common; null until, or unless, it was compared."
    body: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "The report as the wire shows it."
    completed_at: Mapped[datetime | None]


class RemoteAttempt(Tenanted, Positioned, Base):
    """One attempt to have a server train a job for money; see service/jobs/operations/remote.py for its states.

    It is written before anything is asked for, so whatever the server makes bears the key of a row.
    """

    __tablename__ = "remote_jobs"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        CheckConstraint("state in ('intended', 'sending', 'unknown', 'live', 'ended', 'released')", name="state"),
        CheckConstraint("state <> 'live' or remote_id is not null", name="live"),
        Index("uq_remote_jobs_open", "project_id", "job_id", unique=True,
              postgresql_where=text("state in ('intended', 'sending', 'unknown', 'live')")),
        Index("ix_remote_jobs_due", "next_poll_at", postgresql_where=text("next_poll_at is not null")),
        Index("ix_remote_jobs_credential", "project_id", "credential_id"),
        Index("ix_remote_jobs_polled", "credential_id", "next_poll_at",
              postgresql_where=text("next_poll_at is not null")),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    credential_id: Mapped[str]
    provider: Mapped[str]
    key: Mapped[str]
    "In the metadata of what the server makes; begins with the project's id, see `is_key_of`."
    state: Mapped[str] = mapped_column(server_default="intended")
    remote_id: Mapped[str | None]
    discarded: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    "Remote ids of what was made under this key beyond the one that counts: each is cancelled."
    remote_status: Mapped[str | None]
    "The server's own word, as FOLLOW_JOB last recorded it."
    status_since: Mapped[datetime | None]
    stuck_told: Mapped[str | None]
    "The status of which a stuck event told."
    sent_at: Mapped[datetime | None]
    sends: Mapped[int] = mapped_column(server_default=text("0"))
    "How often the server was asked to make it."
    key_seen: Mapped[bool] = mapped_column(server_default=text("false"))
    "Whether the server gave our key back: one that loses it cannot be searched."
    looks: Mapped[int] = mapped_column(server_default=text("0"))
    "How often it was looked for in vain since `sent_at`."
    next_look_at: Mapped[datetime | None]
    estimated_cost: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    "Micro-dollars."
    polled_at: Mapped[datetime | None]
    next_poll_at: Mapped[datetime | None]
    "Null while there is nothing to poll."
    poll_failures: Mapped[int] = mapped_column(server_default=text("0"))
    poll_lease: Mapped[str | None]
    "The poller's turn that looks at it now, until `next_poll_at`; see worker/poller/claiming.py."
    followed_until: Mapped[str | None]
    "Id of the last mirrored event."
    next_follow_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]
    "Since when the server says that it knows nothing of it."


class RemoteFile(Tenanted, Positioned, Base):
    """One of our files at one server, reached with one credential: how far it is uploaded, and its id there."""

    __tablename__ = "remote_files"
    __table_args__ = (
        UniqueConstraint("project_id", "file_id", "credential_id"),
        CheckConstraint("state in ('uploading', 'uploaded', 'gone')", name="state"),
    )

    file_id: Mapped[str]
    credential_id: Mapped[str]
    sha256: Mapped[str]
    upload_id: Mapped[str | None]
    part_ids: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    remote_file_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="uploading")
