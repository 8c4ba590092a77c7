"""Rows of fine-tuning jobs, their events, their checkpoints and their pre-flights."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.states import JobStatus
from service.kit.database import Base, Positioned, Tenanted

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

    @property
    def hyperparameters(self) -> dict[str, Any] | None:
        """Those of a supervised job, where OpenAI's older clients look for them."""
        supervised: dict[str, Any] = self.method.get("supervised", {})
        return supervised.get("hyperparameters")


class JobEvent(Tenanted, Positioned, Base):
    """One line of a job's log. `key` makes each happen once, however often the work behind it is repeated."""

    __tablename__ = "job_events"
    __table_args__ = (
        UniqueConstraint("project_id", "job_id", "key"),
        CheckConstraint("level in ('info', 'warn', 'error')", name="level"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    key: Mapped[str]
    level: Mapped[str] = mapped_column(server_default="info")
    type: Mapped[str] = mapped_column(server_default="message")
    message: Mapped[str]
    data: Mapped[dict[str, Any] | None]


class Checkpoint(Tenanted, Positioned, Base):
    __tablename__ = "job_checkpoints"
    __table_args__ = (UniqueConstraint("project_id", "job_id", "step_number"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    step_number: Mapped[int]
    fine_tuned_model_checkpoint: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    artifact_prefix: Mapped[str]


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
