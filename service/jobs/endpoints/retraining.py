"""HTTP face of training old jobs again, one or many at a time."""

from fastapi import APIRouter

from service.jobs import operations
from service.jobs.endpoints.jobs import JobId
from service.jobs.schemas import retraining as schemas
from service.kit.repetitions import OnceOnly
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/fine_tuning", tags=["Fine-tuning"])


@router.post("/jobs/{fine_tuning_job_id}/retrain", operation_id="retrainFineTuningJob")
def retrain_job(fine_tuning_job_id: JobId, body: schemas.Retrain, caller: CurrentProject,
                session: ProjectSession, once: OnceOnly) -> schemas.Retrained:
    """Train an old job again: the same files, split, seed and hyper-parameters, on another model.

    What the model cannot take is adapted, and told in `adaptations`. With `dry_run`, time and cost are told and
    nothing is started. The new job names the old one in `successor_of`, and the old one names it in `successors`.
    An Idempotency-Key is for what starts something: `dry_run` leaves it free.
    """
    def act() -> schemas.Retrained:
        return operations.retrain(session, caller, fine_tuning_job_id, body)
    if body.dry_run:
        return act()
    return once.do(session, body, act, remember=operations.remember_retrained,
                   recall=lambda made: operations.recall_retrained(session, made))


@router.post("/retrain", operation_id="retrainFineTuningJobs")
def retrain_jobs(body: schemas.RetrainMany, caller: CurrentProject, session: ProjectSession,
                 once: OnceOnly) -> schemas.RetrainedMany:
    """Train many old jobs again, or with `dry_run`, tell time and cost of each and of all together.

    A job that the model trains or has trained already is not started twice. An Idempotency-Key is for what starts
    something: `dry_run` leaves it free.
    """
    def act() -> schemas.RetrainedMany:
        return operations.retrain_many(session, caller, body)
    if body.dry_run:
        return act()
    return once.do(session, body, act, remember=operations.remember_retrained_many,
                   recall=lambda made: operations.recall_retrained_many(session, made))
