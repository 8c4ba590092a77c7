"""Holds jobs to what their project demands of the data that it trains on."""

from sqlalchemy.orm import Session

from service.datasets import operations as datasets
from service.files import queries as files
from service.jobs import queries
from service.jobs.errors import TrainingPolicyNotMet


def check_policy(session: Session, project_id: str, file_id: str) -> None:
    """Raises TrainingPolicyNotMet when it is known by now that the project's policy will not let this file pass."""
    problems = problems_with(session, project_id, file_id)
    if problems:
        raise TrainingPolicyNotMet(problems)


def problems_with(session: Session, project_id: str, file_id: str) -> list[str]:
    """What a training file lacks to meet the project's policy as it is now; nothing when there is none."""
    policy = queries.training_policy(session, project_id)
    if policy is None:
        return []
    file = files.find(session, file_id)  # there is none yet for a version that is being built
    return datasets.policy_problems(session, policy=policy, file_id=file_id,
                                    uploader=file.created_by if file else None,
                                    verdict=datasets.known_verdict(session, file_id))
