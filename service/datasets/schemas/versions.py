"""Wire shapes of versions."""

from typing import Literal

from service.kit.schemas import Answer


class Version(Answer):
    id: str
    object: Literal["dataset.version"] = "dataset.version"
    dataset_id: str
    number: int
