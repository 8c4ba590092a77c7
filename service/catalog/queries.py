"""Questions about tuned models."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.catalog.tables import TunedModel


def tuned_model(session: Session, name: str, *, lock: bool = False) -> TunedModel | None:
    """The project's tuned model of this name, unless it was deleted."""
    query = select(TunedModel).where(TunedModel.name == name, TunedModel.deleted_at.is_(None))
    return session.scalar(query.with_for_update() if lock else query)


def tuned_model_of_step(session: Session, job_id: str, step: int) -> TunedModel | None:
    """What the job made at this step, deleted or not."""
    return session.scalar(select(TunedModel).where(TunedModel.job_id == job_id, TunedModel.step == step))


def tuned_models(session: Session) -> Sequence[TunedModel]:
    """All tuned models of the project that exist, newest first."""
    return session.scalars(select(TunedModel).where(TunedModel.deleted_at.is_(None))
                           .order_by(TunedModel.position.desc())).all()
