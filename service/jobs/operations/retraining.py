"""Old jobs trained again on models that will live: planned with time and cost, started once, linked both ways."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.catalog import mappings
from service.catalog import operations as catalog
from service.catalog.errors import ModelNotFound
from service.catalog.operations import ResolvedModel
from service.files import operations as files
from service.jobs import queries
from service.jobs.errors import JobNotFound, NoJobsNamed, NotRetrainable
from service.jobs.operations import preflights, requests, telling
from service.jobs.operations.adapting import NotAdaptable, adapt, adapt_suffix
from service.jobs.operations.assessing import assess
from service.jobs.operations.transitions import Line, log, map_now
from service.jobs.schemas import retraining as schemas
from service.jobs.schemas.jobs import Job as ShownJob
from service.jobs.schemas.jobs import JobCreate
from service.jobs.schemas.preflights import PreflightCreate, Span
from service.jobs.schemas.retraining import Adaptation, Retrain, Retrained, RetrainedMany, RetrainMany
from service.jobs.states import JobStatus
from service.jobs.tables import Job
from service.kit.errors import ServiceError
from service.kit.schemas import JSONObject
from service.tenants.access import Caller

_OURS = frozenset({"tuneworks_key", "tuneworks_house"})
"""Pairs of a remote job's metadata that say whose it was; its successor is another's business."""
_UNLESS = "also while the old one lives, unless somebody maps that name by hand"


@dataclass(frozen=True, slots=True)
class Plan:
    """A job that would train an old one's data again."""

    body: JobCreate
    adaptations: list[Adaptation]


def retrain(session: Session, caller: Caller, job_id: str, body: Retrain) -> Retrained:
    """One job again. Raises JobNotFound, or what is wrong with the model, the files or the method."""
    old = queries.job(session, job_id) if body.dry_run else queries.lock(session, job_id)
    if old is None:
        raise JobNotFound(job_id)
    return _one(session, caller, old, body, _target(session, body.model))


def retrain_many(session: Session, caller: Caller, body: RetrainMany) -> RetrainedMany:
    """Many at once: what is wrong with one of them is told and keeps no other back. Raises NoJobsNamed, JobNotFound."""
    target = _target(session, body.model)
    old, more = _chosen(session, body)
    done = [_told(session, caller, each, body, target) for each in old]
    return RetrainedMany(
        dry_run=body.dry_run, model=target.name, data=done, has_more=more,
        first_id=old[0].shown_id if old else None, last_id=old[-1].shown_id if old else None,
        verdicts=_tally([str(each.verdict) for each in done if each.verdict is not None]),
        cost=schemas.Money(**_sum([each.cost for each in done if each.status == "planned"])),
        duration=schemas.Seconds(**_sum([each.duration for each in done if each.status == "planned"])),
        **{status: sum(each.status == status for each in done)
           for status in ("planned", "created", "existing", "refused")})


def _target(session: Session, name: str) -> ResolvedModel:
    try:
        return catalog.resolve(session, mappings.stand_in(session, name))
    except ModelNotFound as unknown:
        raise catalog.not_available(session, name) from unknown


def _chosen(session: Session, body: RetrainMany) -> tuple[Sequence[Job], bool]:
    if (body.jobs is None) is not body.all:
        raise NoJobsNamed
    if body.jobs is None:
        found, more = queries.imported(session, after=body.after, limit=body.limit)
        return _held(session, found, body), more
    jobs = {name: queries.job(session, name) for name in dict.fromkeys(body.jobs)}
    for name, job in jobs.items():
        if job is None:
            raise JobNotFound(name, param="jobs")
    return _held(session, [job for job in jobs.values() if job is not None], body), False


def _held(session: Session, jobs: Sequence[Job], body: Retrain) -> Sequence[Job]:
    """Each once, oldest first; locked only where something is started, for to look at hundreds takes a while.

    What is to be mapped is locked before the first mapping is made, as a worker does that makes one for a job.
    """
    if body.dry_run:
        return sorted({job.id: job for job in jobs}.values(), key=lambda job: job.position)
    wanted = {job.id for job in jobs}
    held = queries.lock_all(session, list(wanted | _heirs(jobs, body)))
    old = [job for job in held if job.id in wanted]
    new = _heirs(old, body) - {job.id for job in held}  # there since we looked, and no more of them from now on
    if new:
        queries.lock_all(session, list(new))
    return old


def _heirs(jobs: Sequence[Job], body: Retrain) -> set[str]:
    """Ids of the jobs that may be found to have been started already, and then are mapped."""
    return {heir for job in jobs for heir in job.successors} if body.map else set()


def _told(session: Session, caller: Caller, old: Job, body: RetrainMany, target: ResolvedModel) -> Retrained:
    try:
        with session.begin_nested():
            return _one(session, caller, old, body, target)
    except ServiceError as refused:
        return Retrained(job=old.shown_id, old_model=old.fine_tuned_model, status="refused",
                         error=dict(refused.body()["error"]))


def _one(session: Session, caller: Caller, old: Job, body: Retrain, target: ResolvedModel) -> Retrained:
    existing = None if body.again else queries.living_successor(session, old, target.name)
    if existing is not None:
        return Retrained(job=old.shown_id, old_model=old.fine_tuned_model, status="existing",
                         successor=ShownJob.model_validate(existing), mapping=_mapped(session, old, existing, body))
    plan = _plan(session, old, body, target)
    if body.dry_run:
        return _planned(session, caller, old, plan)
    new = requests.make(session, caller, plan.body)
    _link(session, old, new)
    telling.created(session, new)
    return Retrained(job=old.shown_id, old_model=old.fine_tuned_model, status="created", method=new.method,
                     adaptations=plan.adaptations, mapping=_mapped(session, old, new, body),
                     successor=ShownJob.model_validate(new))


def _plan(session: Session, old: Job, body: Retrain, target: ResolvedModel) -> Plan:
    """Raises NotRetrainable for what is lost or cannot be given."""
    try:
        method, told = adapt(old.method, target.base, body.tuning)
    except NotAdaptable as reason:
        raise NotRetrainable(old.shown_id, str(reason)) from reason
    training = _file(session, old, "training_file", old.training_file, old.shown_training_file)
    validation = None
    if old.validation_file is not None:
        validation = _file(session, old, "validation_file", old.validation_file, str(old.shown_validation_file))
    metadata = body.metadata if body.metadata is not None else {
        name: str(value) for name, value in (old.metadata_ or {}).items() if name not in _OURS}
    wanted = JobCreate(model=target.name, training_file=training, validation_file=validation, method=method,
                       suffix=body.suffix or adapt_suffix(old.suffix, told), seed=old.seed, metadata=metadata or None,
                       credential=body.credential)
    return Plan(wanted, told)


def _file(session: Session, old: Job, role: str, file_id: str, shown: str) -> str:
    ours = files.canonical(session, file_id)
    if queries.usable_file(session, ours) is None and not queries.is_built(session, ours):
        raise NotRetrainable(old.shown_id, f"Its {role.replace('_', ' ')} {shown} is not here: it was deleted, expired,"
                             " or could not be imported. Upload it, and create a job with it.")
    return ours


def _planned(session: Session, caller: Caller, old: Job, plan: Plan) -> Retrained:
    """By the pre-flight's own reckoning, from what is known of the files by now."""
    body = PreflightCreate.model_validate(plan.body.model_dump(exclude={"preflight"}, exclude_none=True))
    preflights.ask_for_counts(session, body)
    report = assess(session, caller.project_id, body, leakage=None)
    found = report.candidates[0]
    is_read = report.training_file.status != "pending"
    return Retrained(
        job=old.shown_id, old_model=old.fine_tuned_model, status="planned", adaptations=plan.adaptations,
        method=body.method.shown() if body.method else None, reasons=report.reasons,
        verdict=preflights.verdict_of(report) if is_read else None, epochs=found.epochs,
        tokens_per_epoch=found.tokens_per_epoch, billed_tokens=found.billed_tokens,
        cost=_span(found.cost), duration=_span(found.duration))


def _span(found: Span | None) -> Span | None:
    return None if found is None or found.expected is None else Span(
        low=found.low, expected=found.expected, high=found.high)


def _sum(spans: Sequence[Span | None]) -> JSONObject:
    known = [span for span in spans if span is not None]
    return {"unknown": len(spans) - len(known)} | {
        name: sum(getattr(span, name) or span.expected or 0 for span in known) for name in ("low", "expected", "high")}


def _tally(words: Sequence[str]) -> dict[str, int]:
    return {word: words.count(word) for word in sorted(set(words))}


def _link(session: Session, old: Job, new: Job) -> None:
    new.successor_of = old.id
    if old.alias is not None:
        new.original = {**(new.original or {}), "successor_of": old.alias}
    old.successors = [*old.successors, new.id]
    log(session, new, [Line(f"Trains the data of {old.shown_id} again, which trained {old.model}", key="successor")])
    session.flush()


def _mapped(session: Session, old: Job, new: Job, body: Retrain) -> str | None:
    """Have the new model answer for the old one if that is asked for; how it stands, in words."""
    name = old.fine_tuned_model or (old.original or {}).get("fine_tuned_model")
    if name is None:
        return None
    if not body.map:
        return (f"Calls that name {name} can be answered by the new model: ask with map true, or POST"
                " /v1/model_mappings when it is trained.")
    if body.dry_run:
        return f"Calls that name {name} would be answered by the new model once it is trained, {_UNLESS}."
    new = queries.lock(session, new.id) or new  # it must not succeed unseen between this look and the promise
    new.answers_for = name
    session.flush()
    if new.status is JobStatus.SUCCEEDED:
        return map_now(session, new)
    return f"Calls that name {name} will be answered by the new model once it is trained, {_UNLESS}."


