"""What can be wrong with the name of a model, in OpenAI's recorded words."""

from service.kit.errors import Forbidden, InvalidRequest, NotFound


class ModelNotFound(NotFound):
    """Unknown, deleted, and another project's: all the same."""

    code = "model_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"The model '{name}' does not exist", param="model")


class ModelNotAvailable(InvalidRequest):
    """Cannot be trained; `reason` tells why when the caller may know that the model exists."""

    code = "model_not_available"

    def __init__(self, name: str, reason: str = "") -> None:
        message = f"Model {name} is not available for fine-tuning or does not exist."
        super().__init__(f"{message} {reason}" if reason else message)


class ModelRetired(InvalidRequest):
    """Can no longer be trained; a pre-flight blocks in the same words."""

    param = "model"

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{words} Choose another model: GET /v1/models lists what there is.", code=code)


class BaseModelNotDeletable(Forbidden):
    code = "base_model_not_deletable"

    def __init__(self, name: str) -> None:
        super().__init__(f"The model '{name}' is a base model of this house's catalog and cannot be deleted; only"
                         " your own fine-tuned models can.", param="model")


class MethodNotAvailable(InvalidRequest):
    code = "fine_tuning_method_not_available"

    def __init__(self, model: str, method: str, supported: str) -> None:
        super().__init__(f"Model {model} does not support the {method} fine-tuning method here. It supports:"
                         f" {supported}.", param="method.type")


class TuningNotAvailable(InvalidRequest):
    code = "fine_tuning_tuning_not_available"

    def __init__(self, model: str, tuning: str, supported: str) -> None:
        super().__init__(f"Model {model} does not support the tuning '{tuning}' here. It supports: {supported}.",
                         param="method.supervised.tuning.type")
