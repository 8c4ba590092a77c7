"""HTTP face of a project's training policy, for those who train."""

from typing import Any

from fastapi import APIRouter

from service.jobs import queries
from service.jobs.schemas import policies as schemas
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/fine_tuning/policy", tags=["Fine-tuning"])


@router.get("", operation_id="retrieveTrainingPolicy", response_model=schemas.Policy)
def retrieve_policy(caller: CurrentProject, session: ProjectSession) -> dict[str, Any]:
    """Retrieve what the project demands of data before a job may train on it; administrators set it on the project.

    A job whose data does not meet it is refused, or fails with the code training_policy.
    """
    return {"project_id": caller.project_id,
            "training_policy": queries.training_policy(session, caller.project_id)}
