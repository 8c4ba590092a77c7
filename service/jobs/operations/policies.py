"""Holds jobs to what their project demands of the data that it trains on, and of the life of the model."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from service.catalog.retirement import LifePolicy
from service.datasets import operations as datasets
from service.files import queries as files
from service.jobs import queries
from service.jobs.errors import TrainingPolicyNotMet
from service.settings import settings


@dataclass(frozen=True, slots=True)
class Problem:
    """What one file of a job lacks, in a whole sentence."""

    param: Literal["training_file", "validation_file"]
    message: str


def check_policy(session: Session, project_id: str, training: str, validation: str | None) -> None:
    """Raises TrainingPolicyNotMet when it is known by now that the project's policy will not let these files pass."""
    problems = problems_with(session, project_id, training, validation)
    if problems:
        raise TrainingPolicyNotMet([problem.message for problem in problems], problems[0].param)


def problems_with(session: Session, project_id: str, training: str, validation: str | None) -> list[Problem]:
    """What the files of a job lack to meet the project's policy as it is now; nothing when there is none.

    Only the verdict is asked of a validation file: nothing is learned from it.
    """
    policy = queries.training_policy(session, project_id)
    if policy is None:
        return []
    file = files.find(session, training)  # there is none yet for a version that is being built
    found = [Problem("training_file", words) for words in datasets.policy_problems(
        session, policy=policy, file_id=training, uploader=file.created_by if file else None,
        verdict=datasets.known_verdict(session, training))]
    if validation is not None:
        found += [Problem("validation_file", words) for words in datasets.verdict_problems(
            policy, validation, datasets.known_verdict(session, validation), of="the validation data")]
    return found


def life_policies(session: Session, project_id: str) -> tuple[LifePolicy, ...]:
    """How long a model must live: by the house's rule and by the project's. The stricter one decides."""
    life = (queries.training_policy(session, project_id) or {}).get("model_life")
    return (house_policy(),) if life is None else (house_policy(), LifePolicy(life["min_days"], life["action"]))


def house_policy() -> LifePolicy:
    return LifePolicy(settings().retirement_warning_days + 1, settings().retirement_action)
