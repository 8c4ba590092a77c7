"""Wire shape of what a project demands of data before a job may train on it."""

from typing import Literal

from service.kit.schemas import Answer
from service.tenants.schemas import TrainingPolicy


class Policy(Answer):
    """What the project demands of data before a job may train on it."""

    object: Literal["fine_tuning.policy"] = "fine_tuning.policy"
    project_id: str
    training_policy: TrainingPolicy | None
    "Null when everything may be trained on."
