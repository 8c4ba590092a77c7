"""Questions about tuned models, and about the machines that train."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from service.catalog.tables import ModelMapping, TrainingMachine, TrainingRate, TunedModel
from service.kit.database import among
from service.kit.pagination import paginate

_GONE = timedelta(days=3)
"""Machines tell every day that they are there."""
_RATES = 50


def tuned_model(session: Session, name: str, *, lock: bool = False) -> TunedModel | None:
    """The project's tuned model of this name, unless it was deleted."""
    query = select(TunedModel).where(TunedModel.name == name, TunedModel.deleted_at.is_(None))
    return session.scalar(query.with_for_update() if lock else query)


def tuned_model_of_step(session: Session, job_id: str, step: int) -> TunedModel | None:
    """What the job made at this step, deleted or not."""
    return session.scalar(select(TunedModel).where(TunedModel.job_id == job_id, TunedModel.step == step))


def tuned_model_of_remote(session: Session, job_id: str, remote_name: str) -> TunedModel | None:
    """What the job made at its server under this name there, deleted or not."""
    return session.scalar(select(TunedModel).where(TunedModel.job_id == job_id, TunedModel.remote_name == remote_name)
                          .limit(1))


def is_taken(session: Session, name: str) -> bool:
    """Whether the project has, or had, a tuned model of this name."""
    return session.scalar(select(TunedModel.id).where(TunedModel.name == name)) is not None


def tuned_models(session: Session) -> Sequence[TunedModel]:
    """All tuned models of the project that exist, newest first."""
    return session.scalars(select(TunedModel).where(TunedModel.deleted_at.is_(None))
                           .order_by(TunedModel.position.desc())).all()


def tuned_from(session: Session, bases: Sequence[str], *, after: int, limit: int) -> Sequence[TunedModel]:
    """Tuned models that exist and were made of any of these bases, oldest first, behind a position."""
    return session.scalars(select(TunedModel).where(
        TunedModel.base_model.in_(bases), TunedModel.deleted_at.is_(None), TunedModel.position > after)
        .order_by(TunedModel.position).limit(limit)).all()


def bases_in_use(session: Session) -> Sequence[str]:
    """What the project's tuned models were made of."""
    return session.scalars(select(TunedModel.base_model).where(TunedModel.deleted_at.is_(None)).distinct()
                           .order_by(TunedModel.base_model)).all()


def bind(session: Session, credential_id: str, *, lost: Collection[str], names: Collection[str]) -> None:
    """Have this credential lead to what those that are lost led to, as far as its server names it, or its job's result.

    Not every list names checkpoints: they lie where the result of their job does.
    """
    orphaned = (TunedModel.kind == "remote", TunedModel.deleted_at.is_(None), among(TunedModel.credential_id, lost))
    jobs = select(TunedModel.job_id).where(*orphaned, among(TunedModel.remote_name, names), TunedModel.job_id != "")
    session.execute(update(TunedModel).where(
        *orphaned, or_(among(TunedModel.remote_name, names), TunedModel.job_id.in_(jobs))).values(
        credential_id=credential_id), execution_options={"synchronize_session": False})


def led_to(session: Session, credential_id: str) -> int:
    """How many of the project's tuned models this credential leads to."""
    return session.scalars(select(func.count()).select_from(TunedModel).where(
        TunedModel.credential_id == credential_id, TunedModel.deleted_at.is_(None))).one()


def mapping(session: Session, mapping_id: str, *, lock: bool = False) -> ModelMapping | None:
    query = select(ModelMapping).where(ModelMapping.id == mapping_id)
    return session.scalar(query.with_for_update() if lock else query)


def mapping_of(session: Session, model: str) -> ModelMapping | None:
    """The project's mapping of exactly this name."""
    return session.scalar(select(ModelMapping).where(ModelMapping.model == model))


def mapped_to(session: Session, successors: Sequence[str]) -> Sequence[str]:
    """The names that are mapped to any of these."""
    return session.scalars(select(ModelMapping.model).where(ModelMapping.successor.in_(successors))).all()


def mappings(session: Session, *, model: str | None, after: str | None,
             limit: int) -> tuple[Sequence[ModelMapping], bool]:
    """One page, newest first, and whether more follow."""
    query = select(ModelMapping) if model is None else select(ModelMapping).where(ModelMapping.model == model)
    return paginate(session, query, ModelMapping, after=after, limit=limit)


def machines(session: Session) -> Sequence[TrainingMachine]:
    """The machines that train, as far as they were heard of lately."""
    return session.scalars(select(TrainingMachine).where(TrainingMachine.seen_at > func.now() - _GONE)
                           .order_by(TrainingMachine.position)).all()


def rates(session: Session, base_model: str, tuning: str) -> dict[str, list[float]]:
    """Tokens a second of the last jobs of this model and tuning, by device."""
    newest = session.execute(select(TrainingRate.device, TrainingRate.tokens_per_second)
                             .where(TrainingRate.base_model == base_model, TrainingRate.tuning == tuning)
                             .order_by(TrainingRate.position.desc()).limit(_RATES)).all()
    found: dict[str, list[float]] = {}
    for device, speed in newest:
        found.setdefault(device, []).append(speed)
    return found
