"""The names of events that other services can be told about, OpenAI's, then ours, and what each of them says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Description:
    """What a type of event says, for whoever is to be told of it. `data` holds `id`, the subject's, in any case."""

    when: str
    subject: str
    "What `data.id` is the id of."
    data: Mapping[str, str] = field(default_factory=dict)
    "The other fields of `data`, and what each of them is."
    snapshot: str | None = None
    "Whose answer's fields stand in `data` beside these, as they were in that moment."


_JOB, _FILE = "GET /v1/fine_tuning/jobs/{id}", "GET /v1/files/{id}"
_CREDENTIAL = {"name": "the credential's name", "provider": "what it is for", "status": "ok, or what is wrong with it",
               "details": "the same in words, or null"}
_VALIDATED = {
    "verdict": "go, warn or block; null where the bytes could not be read",
    "format": "what its lines are: chat, preference, reinforcement or completion; null for nothing known",
    "score": "its quality, from 0 to 100, or null", "lines": "how many it has", "examples": "how many can be read",
    "errors": "findings that keep a job from training on it", "warnings": "findings that do not",
}
_VERSION = {"dataset_id": "the data set", "name": "the data set's name", "number": "the version's"}
_REVIEW = {
    "name": "the review's name, or null", "status": "open or closed", "dataset_id": "the data set",
    "dataset": "the data set's name", "version_id": "its version", "version": "the version's number",
    "items": "how many examples are to be decided on", "reviewers_per_item": "how many people decide on each",
    "created_by": "id of the service account that asked for it",
}


def _job(when: str, **data: str) -> Description:
    return Description(when, "the job", data, snapshot=_JOB)


DESCRIPTIONS: Mapping[EventType, Description] = {
    EventType.JOB_SUCCEEDED: _job("A job ended well; its model can be used."),
    EventType.JOB_FAILED: _job("A job ended badly; `error` says why, or where to read it if the reason quotes data."),
    EventType.JOB_CANCELLED: _job("A job ended because somebody asked for it."),
    EventType.JOB_CREATED: _job("A job was created; its files are validated next."),
    EventType.JOB_QUEUED: _job("A job waits for its turn: its files are validated, or it was resumed."),
    EventType.JOB_RUNNING: _job("A job's training began, or went on at a server that had paused it."),
    EventType.JOB_PAUSED: _job("A job stopped where it can go on."),
    EventType.JOB_MILESTONE: _job(
        "A job has done another 10 % of its steps; each once, and of several that one step reaches, the last.",
        percent="10, 20, … 100", step="the step that reached it", total_steps="of how many",
        metrics="the numbers of that step, such as train_loss"),
    EventType.JOB_CHECKPOINT: _job(
        "A job's weights were kept at some step, and can be used as a model.",
        checkpoint="as GET /v1/fine_tuning/jobs/{id}/checkpoints lists it"),
    EventType.JOB_STUCK: Description(
        "A job stays in one state at its server for longer than the house expects.", "the job",
        {"status": "the server's word for the state", "since": "Unix seconds"}),
    EventType.FILE_VALIDATED: Description(
        "A file that was uploaded for fine-tuning was read to its end, or could not be read.", "the file", _VALIDATED,
        snapshot=f"{_FILE}, without status_details"),
    EventType.DATASET_VALIDATED: Description(
        "A data set's version was built and read to its end, or could not be.", "the version",
        {**_VERSION, "file_id": "the file that it is", "status": "ready or failed", **_VALIDATED}),
    EventType.REVIEW_NEEDED: Description("A review's examples are chosen, and wait for people.", "the review", _REVIEW),
    EventType.REVIEW_DONE: Description(
        "A review was closed.", "the review",
        {**_REVIEW, "decided": "how many examples were decided on", "approved": "whether the version as a whole was",
         "closed_by": "id of the service account that closed it"}),
    EventType.SPEND_THRESHOLD: Description(
        "What a project has spent in a calendar month (UTC) or has reserved reached one of its `spend_thresholds`;"
        " once for each and for each month.", "the project",
        {"month": "such as 2027-01", "threshold_micro_dollars": "the one that was reached",
         "spent_micro_dollars": "what is settled in the month, with all that is reserved",
         "held_micro_dollars": "how much of that is reserved", "fine_tuning_job_id": "the job that reached it"}),
    EventType.CREDENTIAL_FAILING: Description(
        "A server refuses a credential, or it cannot be used as it should.", "the credential", _CREDENTIAL),
    EventType.CREDENTIAL_RECOVERED: Description(
        "A credential that failed is accepted again.", "the credential", _CREDENTIAL),
    EventType.MODEL_RETIRING: Description(
        "The end of a tuned model's base model draws near.", "the tuned model, by name",
        {"base_model": "what it was tuned from", "provider": "who trained it", "shutdown_date": "such as 2027-01-14",
         "notice_days": "which of the notices this is", "days_left": "until then",
         "fine_tuning_job_id": "the job that made it", "successor": "what calls of it are mapped to, or null"}),
    EventType.IMPORT_SUCCEEDED: Description("All that was to be imported from a server is here.", "the import"),
    EventType.IMPORT_FAILED: Description(
        "An import stopped before its end; it can be resumed where it stopped.", "the import"),
    EventType.ENDPOINT_DISABLED: Description(
        "A webhook endpoint is told nothing more: it answered 410 Gone, or failed for five days.", "the endpoint",
        {"name": "its name", "url": "where it is", "reason": "one sentence"}),
}


def table() -> str:
    """All of them as a table in Markdown, for the README."""
    lines = ["| type | when | `data.id` | also in `data` |", "|---|---|---|---|"]
    for type_, told in DESCRIPTIONS.items():
        also = [*([f"all of {told.snapshot}"] if told.snapshot else []), *(f"`{name}`" for name in told.data)]
        lines.append(f"| `{type_}` | {told.when} | {told.subject} | {', '.join(also)} |")
    return "\n".join(lines) + "\n"
