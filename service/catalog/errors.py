"""What can be wrong with the name of a model, in OpenAI's recorded words."""

from datetime import date

from service.kit.errors import Conflict, Forbidden, InvalidRequest, NotFound


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


class SuccessorDead(NotFound):
    """A mapping leads to a model that is gone by now."""

    code = "model_not_found"

    def __init__(self, name: str, successor: str) -> None:
        super().__init__(f"The model '{name}' does not exist, and neither does '{successor}', which was to answer in"
                         " its place. GET /v1/model_mappings lists what stands in for what.", param="model")


class SuccessorNotFound(InvalidRequest):
    code = "model_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"The model '{name}' does not exist, so it can stand in for no other. GET /v1/models lists"
                         " what there is.", param="successor")


class SuccessorShutDown(InvalidRequest):
    code = "model_shut_down"

    def __init__(self, name: str, day: date | None) -> None:
        when = f" on {day.isoformat()}" if day is not None else ""
        super().__init__(f"The model '{name}' was shut down{when}, so it can answer for no other. GET /v1/models tells"
                         " until when each model lives.", param="successor")


class MappingNotFound(NotFound):
    code = "model_mapping_not_found"

    def __init__(self, mapping_id: str) -> None:
        super().__init__(f"No model mapping found with id '{mapping_id}'.", param="model_mapping_id")


class MappingExists(Conflict):
    code = "model_mapping_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"The model '{name}' is mapped already. GET /v1/model_mappings?model=… shows to what; change"
                         " that mapping with POST /v1/model_mappings/{id}, or delete it.", param="model")


class MappingCycle(InvalidRequest):
    code = "model_mapping_cycle"

    def __init__(self, model: str, successor: str) -> None:
        super().__init__(f"The model '{successor}' is '{model}', or mappings lead from it back to that: nobody would"
                         " answer.", param="successor")


class MappingTooLong(InvalidRequest):
    code = "model_mapping_too_long"

    def __init__(self, model: str) -> None:
        super().__init__(f"More than 10 mappings follow one another from or to '{model}'. Map it to the last of them.",
                         param="model")
