"""What is done with models: names found, tuned models registered, renamed, deleted; machines and speeds noted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Literal

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.catalog import offers, queries
from service.catalog.base_models import BaseModelEntry, MethodName, TuningName, base_models
from service.catalog.durations import Device
from service.catalog.errors import (
    BaseModelNotDeletable,
    MethodNotAvailable,
    ModelNotAvailable,
    ModelNotFound,
    TuningNotAvailable,
)
from service.catalog.schemas import Model
from service.catalog.tables import TrainingMachine, TrainingRate, TunedModel
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.schemas import JSONObject
from service.kit.work import Work, enqueue

_SHORTEST_MEASURED = 5.0
"""Seconds; a shorter job tells more of its start than of its speed."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What training made: the prefix of its files in the object store (ending in "/"), and their manifest."""

    prefix: str
    kind: Literal["adapter", "model"]
    manifest: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A name that exists, and what stands behind it."""

    name: str
    internal_name: str
    "What engines call it: never given to anything else, so it may be cached for ever."
    base: BaseModelEntry
    artifact: Artifact | None = None
    "None for a base model."
    job_id: str | None = None
    "The job that made it; None for a base model."
    remote_name: str | None = None
    "What its server calls it; None for what is not a remote tuned model."
    credential_id: str | None = None
    "With what its server is reached, where only one credential leads there."

    @property
    def kind(self) -> Literal["base", "adapter", "model", "remote"]:
        if self.remote_name is not None:
            return "remote"
        return self.artifact.kind if self.artifact else "base"


def resolve(session: Session, name: str) -> ResolvedModel:
    """The model of this name, base or the project's own. Raises ModelNotFound, also for deleted ones."""
    found = offers.offered(session, name)
    if found is not None:
        entry, credential_id = found
        return ResolvedModel(name=entry.id, internal_name=entry.id, base=entry, credential_id=credential_id)
    tuned = queries.tuned_model(session, name)
    base = _base_of(session, tuned) if tuned else None
    if tuned is None or base is None:
        raise ModelNotFound(name)
    return ResolvedModel(name=tuned.name, internal_name=tuned.id, base=base, artifact=_artifact(tuned),
                         job_id=tuned.job_id, remote_name=tuned.remote_name, credential_id=tuned.credential_id)


def base_of(session: Session, name: str) -> BaseModelEntry | None:
    """The base of the model of this name, or that base itself; None where it left the catalog, or there is none."""
    try:
        return resolve(session, name).base
    except ModelNotFound:
        return None


def _base_of(session: Session, tuned: TunedModel) -> BaseModelEntry | None:
    """What it was tuned from. A remote model outlives the list that its base was in."""
    base = offers.base_model(session, tuned.base_model)
    if base is None and tuned.kind == "remote":
        base = offers.vanished(tuned.base_model, tuned.provider, made=tuned.created_at.date())
    return base


def _artifact(tuned: TunedModel) -> Artifact | None:
    if tuned.artifact_prefix is None:
        return None
    kind: Literal["adapter", "model"] = "adapter" if tuned.kind == "adapter" else "model"
    return Artifact(prefix=tuned.artifact_prefix, kind=kind, manifest=tuned.manifest)


def resolve_for_training(session: Session, name: str, method: MethodName) -> ResolvedModel:
    """The model of this name if `method` can train it here and now. Raises ModelNotAvailable or MethodNotAvailable.

    What was tuned from a base that can no longer be trained cannot be trained on either.
    """
    try:
        model = resolve(session, name)
    except ModelNotFound as unknown:
        raise not_available(session, name) from unknown
    ended = model.base.ended(database_now(session).date())
    if ended is not None:
        raise ModelNotAvailable(name, f"{ended} GET /v1/models lists what there is.")
    if method not in model.base.methods:
        raise MethodNotAvailable(model.name, method, ", ".join(model.base.methods) or "none")
    return model


def not_available(session: Session, name: str) -> ModelNotAvailable:
    """What to raise for a name that means nothing here, with what may have been meant."""
    return ModelNotAvailable(name, offers.meant(session, name))


def check_tuning(model: ResolvedModel, tuning: TuningName) -> None:
    """Raises TuningNotAvailable when the catalog does not allow it for the model's base."""
    allowed = model.base.methods.get("supervised", ())
    if tuning not in allowed:
        raise TuningNotAvailable(model.name, tuning, ", ".join(allowed) or "none")


def tuned_name(base: str, slug: str, suffix: str | None, code: str, *, step: int | None = None) -> str:
    """`ft:<base>:<project-slug>:<suffix or empty>:<8 chars>`, for a checkpoint with `:ckpt-step-<n>` behind it."""
    name = f"ft:{base}:{slug}:{suffix or ''}:{code}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def register_model(session: Session, *, project_id: str, job_id: str, step: int, name: str, base: BaseModelEntry,
                   artifact: Artifact) -> TunedModel:
    """Make a tuned model known; what a job made at one step is registered once, however often it is told."""
    existing = queries.tuned_model_of_step(session, job_id, step)
    if existing is not None:
        return existing
    tuned = TunedModel(id=new_id("model_"), project_id=project_id, name=name, base_model=base.id,
                       provider=base.provider, kind=artifact.kind, job_id=job_id, step=step,
                       artifact_prefix=_as_prefix(artifact.prefix), manifest=artifact.manifest)
    session.add(tuned)
    session.flush()
    watch_ends(session, project_id)
    return tuned


def register_remote_model(session: Session, *, project_id: str, job_id: str, step: int, name: str,
                          base_model: str, provider: str, credential_id: str) -> TunedModel:
    """Make known what a job made at a server, under the server's name for it; once, however often it is told.

    A name that means something else in this project already gets the job's id behind it.
    """
    known = queries.tuned_model_of_remote(session, job_id, name)
    if known is not None:
        return known
    is_taken = offers.base_model(session, name) is not None or queries.is_taken(session, name)
    tuned = TunedModel(id=new_id("model_"), project_id=project_id, name=f"{name}:{job_id}" if is_taken else name,
                       base_model=base_model, provider=provider, kind="remote", job_id=job_id, step=step,
                       remote_name=name, credential_id=credential_id)
    session.add(tuned)
    session.flush()
    watch_ends(session, project_id)
    return tuned


def watch_ends(session: Session, project_id: str) -> None:
    """Have the project told of the ends of its tuned models, from now on."""
    enqueue(session, Work.ANNOUNCE_RETIREMENT, project_id, project_id=project_id)


def discard(session: Session, tuned: TunedModel) -> None:
    """Delete a tuned model and ask for its files to be erased; for one that is deleted, erase what came since.

    What lies at a remote server stays there.
    """
    tuned.deleted_at = tuned.deleted_at or database_now(session)
    if tuned.artifact_prefix is None:
        return
    enqueue(session, Work.ERASE_OBJECT, _as_prefix(tuned.artifact_prefix), project_id=tuned.project_id)


def exists(session: Session, name: str) -> bool:
    """Whether the project has a tuned model of this name, so that its files are there."""
    return queries.tuned_model(session, name) is not None


def rename_step(session: Session, job_id: str, step: int, name: str) -> None:
    """Give what a job made at this step its final name."""
    tuned = queries.tuned_model_of_step(session, job_id, step)
    if tuned is not None:
        tuned.name = name


def discard_step(session: Session, job_id: str, step: int) -> None:
    """Delete what a job made at this step."""
    tuned = queries.tuned_model_of_step(session, job_id, step)
    if tuned is not None:
        discard(session, tuned)


def _as_prefix(key: str) -> str:
    return key if key.endswith("/") else key + "/"


def delete(session: Session, name: str) -> TunedModel:
    """Delete a tuned model of the project. Raises ModelNotFound or BaseModelNotDeletable."""
    if offers.base_model(session, name) is not None:
        raise BaseModelNotDeletable(name)
    tuned = queries.tuned_model(session, name, lock=True)
    if tuned is None:
        raise ModelNotFound(name)
    discard(session, tuned)
    return tuned


def list_models(session: Session, slug: str) -> list[Model]:
    """Base models in the order of the catalog, then the project's own, newest first."""
    return [*(_base_card(base.id, base) for base in [*base_models(), *offers.listed(session)]),
            *(_tuned_card(tuned, slug, base=_base_of(session, tuned)) for tuned in queries.tuned_models(session))]


def retrieve(session: Session, name: str, slug: str) -> Model:
    """One model as the list shows it; an alias answers under its own name. Raises ModelNotFound."""
    base = offers.base_model(session, name)
    if base is not None:
        return _base_card(name, base)
    tuned = queries.tuned_model(session, name)
    if tuned is None:
        raise ModelNotFound(name)
    return _tuned_card(tuned, slug, base=_base_of(session, tuned))


def _base_card(name: str, base: BaseModelEntry) -> Model:
    created = datetime.combine(base.created, time(), UTC)
    return Model(id=name, created=int(created.timestamp()), owned_by=base.owned_by, shutdown_date=base.shutdown_date)


def _tuned_card(tuned: TunedModel, slug: str, *, base: BaseModelEntry | None) -> Model:
    return Model(id=tuned.name, created=int(tuned.created_at.timestamp()), owned_by=slug,
                 shutdown_date=base.shutdown_date if base else None)


def note_machine(session: Session, host: str, device: Device, *, devices: int) -> None:
    """Make known that a machine trains, or that it is still there."""
    values = {"host": host, "kind": device.kind, "device": device.name, "devices": devices, "cores": device.cores,
              "memory_bytes": device.memory_bytes, "gflops": device.gflops}
    made = insert(TrainingMachine).values(id=new_id("machine_"), **values)
    changed = {name: values[name] for name in ("devices", "cores", "memory_bytes", "gflops")}
    session.execute(made.on_conflict_do_update(
        index_elements=[TrainingMachine.host, TrainingMachine.kind, TrainingMachine.device],
        set_=changed | {"seen_at": func.now()}))


def note_rate(session: Session, *, base_model: str, tuning: str, device: str, tokens: int, seconds: float) -> None:
    """Remember how fast a job trained; one too short to tell is not remembered."""
    if tokens > 0 and seconds >= _SHORTEST_MEASURED:
        session.add(TrainingRate(id=new_id("rate_"), base_model=base_model, tuning=tuning, device=device,
                                 tokens=tokens, seconds=seconds, tokens_per_second=tokens / seconds))
