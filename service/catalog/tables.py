"""Rows of tuned models."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class TunedModel(Tenanted, Positioned, Base):
    """A model that training made: a finished job's result, or one of its kept checkpoints."""

    __tablename__ = "tuned_models"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint("kind in ('adapter', 'model')", name="kind"),
        Index("ix_tuned_models_job", "project_id", "job_id"),
    )

    name: Mapped[str]
    "ft:<base>:<project-slug>:<suffix>:<8 chars>, with :ckpt-step-<n> behind it for a checkpoint."
    base_model: Mapped[str]
    provider: Mapped[str]
    kind: Mapped[str]
    "adapter: loaded beside its base. model: a whole set of weights."
    job_id: Mapped[str]
    step: Mapped[int]
    artifact_prefix: Mapped[str]
    "Where its files and their manifest.json lie in the object store."
    manifest: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    deleted_at: Mapped[datetime | None]
