"""HTTP face of training old jobs again, one or many at a time."""

from fastapi import APIRouter

from service.jobs import operations
from service.jobs.endpoints.jobs import JobId
from service.jobs.schemas import retraining as schemas
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/fine_tuning", tags=["Fine-tuning"])


@router.post("/jobs/{fine_tuning_job_id}/retrain", operation_id="retrainFineTuningJob")
def retrain_job(fine_tuning_job_id: JobId, body: schemas.Retrain, caller: CurrentProject,
                session: ProjectSession) -> schemas.Retrained:
    """Train an old job again: the same files, split, seed and hyper-parameters, on another model.

    What the model cannot take is adapted, and told in `adaptations`. With `dry_run`, time and cost are told and
    nothing is started. The new job names the old one in `successor_of`, and the old one names it in `successors`.
    """
    return operations.retrain(session, caller, fine_tuning_job_id, body)


@router.post("/retrain", operation_id="retrainFineTuningJobs")
def retrain_jobs(body: schemas.RetrainMany, caller: CurrentProject, session: ProjectSession) -> schemas.RetrainedMany:
    """Train many old jobs again, or with `dry_run`, tell time and cost of each and of all together.

    A job that the model trains or has trained already is not started twice.
    """
    return operations.retrain_many(session, caller, body)
