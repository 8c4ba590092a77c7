"""The names of events that other services can be told about: OpenAI's, then ours."""

from enum import StrEnum


class EventType(StrEnum):
    JOB_SUCCEEDED = "fine_tuning.job.succeeded"
    JOB_FAILED = "fine_tuning.job.failed"
    JOB_CANCELLED = "fine_tuning.job.cancelled"
    JOB_CREATED = "fine_tuning.job.created"
    JOB_QUEUED = "fine_tuning.job.queued"
    JOB_RUNNING = "fine_tuning.job.running"
    JOB_PAUSED = "fine_tuning.job.paused"
    JOB_MILESTONE = "fine_tuning.job.milestone"
    JOB_CHECKPOINT = "fine_tuning.job.checkpoint.created"
    JOB_STUCK = "fine_tuning.job.stuck"
    FILE_VALIDATED = "file.validated"
    DATASET_VALIDATED = "dataset.version.validated"
    REVIEW_NEEDED = "review.needed"
    REVIEW_DONE = "review.completed"
    SPEND_THRESHOLD = "spend.threshold_reached"
    CREDENTIAL_FAILING = "credential.failing"
    CREDENTIAL_RECOVERED = "credential.recovered"
    MODEL_RETIRING = "model.retiring"
    IMPORT_SUCCEEDED = "import.succeeded"
    IMPORT_FAILED = "import.failed"
    ENDPOINT_DISABLED = "webhook_endpoint.disabled"
