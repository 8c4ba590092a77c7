"""Rows of tuned models, and of the machines that train and how fast they were."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class TunedModel(Tenanted, Positioned, Base):
    """A model that training made: a finished job's result, or one of its kept checkpoints."""

    __tablename__ = "tuned_models"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint("kind in ('adapter', 'model', 'remote')", name="kind"),
        CheckConstraint("(kind = 'remote') = (artifact_prefix is null)", name="artifact"),
        CheckConstraint("(kind = 'remote') = (remote_name is not null)", name="remote"),
        Index("ix_tuned_models_job", "project_id", "job_id"),
    )

    name: Mapped[str]
    "ft:<base>:<project-slug>:<suffix>:<8 chars>, with :ckpt-step-<n> behind it for a checkpoint."
    base_model: Mapped[str]
    provider: Mapped[str]
    kind: Mapped[str]
    "adapter: loaded beside its base. model: a whole set of weights. remote: at a server that we do not run."
    job_id: Mapped[str]
    step: Mapped[int]
    artifact_prefix: Mapped[str | None]
    "Where its files and their manifest.json lie in the object store; null for a remote model."
    remote_name: Mapped[str | None]
    "What its server calls it."
    credential_id: Mapped[str | None]
    "With what a remote model's server is reached."
    manifest: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    deleted_at: Mapped[datetime | None]


class ModelMapping(Tenanted, Positioned, Base):
    """A model that answers in place of another, once that is dead, or always."""

    __tablename__ = "model_mappings"
    __table_args__ = (UniqueConstraint("project_id", "model"),)

    model: Mapped[str]
    "The name that callers use; it may name nothing here any more."
    successor: Mapped[str]
    always: Mapped[bool] = mapped_column(server_default=text("false"))
    "Answer in its place even while it lives."
    created_by: Mapped[str]


class TrainingMachine(Positioned, Base):
    """What one machine trains on: its GPUs of one kind, or its cores. Belongs to the house, not to a tenant."""

    __tablename__ = "training_machines"
    __table_args__ = (
        UniqueConstraint("host", "kind", "device"),
        CheckConstraint("kind in ('cpu', 'cuda')", name="kind"),
    )

    host: Mapped[str]
    kind: Mapped[str]
    device: Mapped[str]
    "What the maker calls it."
    devices: Mapped[int] = mapped_column(server_default=text("1"))
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    "Of one device; of the whole machine for its cores."
    cores: Mapped[int] = mapped_column(server_default=text("1"))
    gflops: Mapped[float | None]
    "Of all cores together, measured; null for a GPU."
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class TrainingRate(Positioned, Base):
    """How fast one job trained. Says neither whose job it was nor which: speeds are the house's."""

    __tablename__ = "training_rates"
    __table_args__ = (Index("ix_training_rates_model", "base_model", "tuning"),)

    base_model: Mapped[str]
    tuning: Mapped[str]
    device: Mapped[str]
    "What the maker calls it, or the provider that trained."
    tokens_per_second: Mapped[float]
    tokens: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    measured_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
