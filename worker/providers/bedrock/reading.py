"""Reads what Bedrock says of jobs and models; whatever does not fit is left out or cut, never raised."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from service.catalog.bedrock_models import family_of
from worker.providers.bedrock.families import shown
from worker.providers.bedrock.names import Place, key_of, place
from worker.providers.remote import RemoteFile, RemoteJob, RemoteModel, RemoteState

STATES = {"InProgress": RemoteState.RUNNING, "Stopping": RemoteState.RUNNING, "Completed": RemoteState.SUCCEEDED,
          "Failed": RemoteState.FAILED, "Stopped": RemoteState.CANCELLED}
STAGES = ("validationDetails", "dataProcessingDetails", "trainingDetails")
_LONGEST_TEXT, _MOST_ITEMS, _DEEPEST = 2_048, 200, 8
_LONGEST_WORD = 100


def job(told: Mapping[str, Any], *, house: str | None = None) -> RemoteJob | None:
    """A job, by what was told of it alone or in a list; None without an ARN to know it by."""
    arn = text(told.get("jobArn"), 1_011)
    if not arn:
        return None
    status = text(told.get("status"), _LONGEST_WORD) or "unknown"
    is_done = status == "Completed"
    failure = text(told.get("failureMessage"), _LONGEST_TEXT) if status == "Failed" else None
    return RemoteJob(
        id=arn, status=status, state=_state(status, told), key=key_of(told.get("jobName")), house=house,
        created_at=moment(told.get("creationTime")), finished_at=moment(told.get("endTime")),
        fine_tuned_model=_model_name(told) if is_done else None,
        hyperparameters=shown(family_of(str(told.get("baseModelArn"))), told.get("hyperParameters")),
        error={"code": "bedrock_job_failed", "message": failure or "Bedrock gives no reason.", "param": None}
        if status == "Failed" else None,
        result_files=tuple(result.uri for result in result_files(told)) if is_done else (),
        body=plain({name: value for name, value in told.items() if name != "ResponseMetadata"}))


def _state(status: str, told: Mapping[str, Any]) -> RemoteState:
    state = STATES.get(status, RemoteState.UNKNOWN)
    if status == "InProgress" and stage_status(told, "trainingDetails") == "NotStarted":
        return RemoteState.WAITING
    return state


def stage(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = told.get("statusDetails")
    found = details.get(name) if isinstance(details, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def stage_status(told: Mapping[str, Any], name: str) -> str:
    return text(stage(told, name).get("status"), _LONGEST_WORD)


def _model_name(told: Mapping[str, Any]) -> str | None:
    """Names are unique in an account and may be trained on again; an ARN would have to be cut up in URLs."""
    return text(told.get("outputModelName") or told.get("customModelName"), 63) or None


def result_files(told: Mapping[str, Any]) -> tuple[Place, ...]:
    """The metrics that the user guide's "Analyze the results" names, under the job's output address."""
    output, short = told.get("outputDataConfig"), text(told.get("jobArn"), 1_011).rsplit("/", 1)[-1]
    uri = text(output.get("s3Uri"), 1_024).rstrip("/") if isinstance(output, Mapping) else ""
    root = f"{uri}/model-customization-job-{short}"
    names = ["training_artifacts/step_wise_training_metrics.csv"]
    if _validators(told):
        names.append("validation_artifacts/post_fine_tuning_validation/validation_metrics.csv")
    places = [place(f"{root}/{name}") for name in names] if uri and short else []
    return tuple(found for found in places if found is not None)


def _validators(told: Mapping[str, Any]) -> bool:
    config = told.get("validationDataConfig")
    return isinstance(config, Mapping) and bool(config.get("validators"))


def foundation_model(told: Any) -> RemoteModel | None:
    if not isinstance(told, Mapping) or not (name := text(told.get("modelId"), 140)):
        return None
    lifecycle = told.get("modelLifecycle")
    life: Mapping[str, Any] = lifecycle if isinstance(lifecycle, Mapping) else {}
    ends = moment(life.get("endOfLifeTime"))
    return RemoteModel(id=name, created_at=moment(life.get("startOfLifeTime")),
                       owned_by=text(told.get("providerName"), _LONGEST_WORD) or "bedrock",
                       shutdown_date=ends.date().isoformat() if ends else None)


def custom_model(told: Any) -> RemoteModel | None:
    if not isinstance(told, Mapping) or not (name := text(told.get("modelName"), 63)):
        return None
    return RemoteModel(id=name, created_at=moment(told.get("creationTime")),
                       owned_by=text(told.get("ownerAccountId"), 20) or "account")


def stored_file(bucket: str, told: Any) -> RemoteFile | None:
    """One object of a listing."""
    key = told.get("Key") if isinstance(told, Mapping) else None
    found = place(f"s3://{bucket}/{key}")
    if found is None or not isinstance(size := told.get("Size"), int):
        return None
    return RemoteFile(id=found.uri, filename=found.key.rsplit("/", 1)[-1], bytes=max(0, size), purpose="fine-tune",
                      created_at=moment(told.get("LastModified")) or datetime.fromtimestamp(0, UTC))


def text(value: object, longest: int) -> str:
    """A string without what a database or a log cannot hold; empty for anything else."""
    if not isinstance(value, str):
        return ""
    return value[:longest].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def moment(value: object) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None


def plain(value: Any, depth: int = 0) -> Any:
    """As JSON, with its texts, lists and depth cut to what may be stored."""
    if isinstance(value, datetime):
        found = moment(value)
        return found.isoformat() if found else None
    if value is None or isinstance(value, bool | int | float):
        return value if _is_storable(value) else None
    if depth < _DEEPEST and isinstance(value, Mapping):
        pairs = islice(value.items(), _MOST_ITEMS)
        return {text(str(name), _LONGEST_WORD): plain(one, depth + 1) for name, one in pairs}
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [plain(one, depth + 1) for one in value[:_MOST_ITEMS]]
    return text(value, _LONGEST_TEXT)


def _is_storable(number: float | None) -> bool:
    return number is None or (abs(number) < 2**63 and math.isfinite(number))
