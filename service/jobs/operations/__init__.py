"""The verbs of jobs: what callers ask for, what workers prepare and record, and the one door for status."""

from service.jobs.operations.archiving import archive_project
from service.jobs.operations.disconnecting import delete_credential, delete_shared_credential
from service.jobs.operations.erasure import delete_dataset, delete_version
from service.jobs.operations.notices import headers
from service.jobs.operations.preflights import (
    Comparison,
    NotCompared,
    complete,
    create_preflight,
    next_step,
    retrieve_preflight,
    shown,
    step_for_job,
)
from service.jobs.operations.preparing import begin, prepare
from service.jobs.operations.recording import (
    record_cancelled,
    record_checkpoint,
    record_failure,
    record_handle,
    record_metrics,
    record_note,
    record_paused,
    record_progress,
    record_success,
    stop_requested,
)
from service.jobs.operations.repeating import (
    recall_retrained,
    recall_retrained_many,
    remember_retrained,
    remember_retrained_many,
)
from service.jobs.operations.requests import cancel, create, pause, resume, retrieve
from service.jobs.operations.retraining import retrain, retrain_many
from service.jobs.operations.transitions import transition

__all__ = [
    "Comparison",
    "NotCompared",
    "archive_project",
    "begin",
    "cancel",
    "complete",
    "create",
    "create_preflight",
    "delete_credential",
    "delete_dataset",
    "delete_shared_credential",
    "delete_version",
    "headers",
    "next_step",
    "pause",
    "prepare",
    "recall_retrained",
    "recall_retrained_many",
    "record_cancelled",
    "record_checkpoint",
    "record_failure",
    "record_handle",
    "record_metrics",
    "record_note",
    "record_paused",
    "record_progress",
    "record_success",
    "remember_retrained",
    "remember_retrained_many",
    "resume",
    "retrain",
    "retrain_many",
    "retrieve",
    "retrieve_preflight",
    "shown",
    "step_for_job",
    "stop_requested",
    "transition",
]
