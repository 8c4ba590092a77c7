"""What can be wrong with a request about a job, in OpenAI's recorded words where there are any."""

from collections.abc import Sequence

from service.catalog.capabilities import Obstacle
from service.datasets.validation.examination import NEEDS_VALIDATION
from service.jobs.states import JobStatus
from service.kit.errors import InvalidRequest, NotFound


class JobNotFound(NotFound):
    """Unknown and another project's: both the same."""

    code = "fine_tune_not_found"

    def __init__(self, job_id: str, *, param: str = "fine_tune_id") -> None:
        super().__init__(f"Could not find fine tune: {job_id}", param=param)


class PreflightNotFound(NotFound):
    """Unknown and another project's: both the same."""

    code = "preflight_not_found"

    def __init__(self, preflight_id: str) -> None:
        super().__init__(f"Could not find pre-flight: {preflight_id}", param="preflight_id")


class PreflightDoesNotFit(InvalidRequest):
    """A job names a pre-flight that is not there, or was made for something else."""

    code = "preflight_does_not_fit"

    def __init__(self, preflight_id: str, reason: str) -> None:
        super().__init__(f"The pre-flight {preflight_id} {reason}. Make one for this job with POST"
                         " /v1/fine_tuning/preflights, or leave 'preflight' out: the job then gets its own.",
                         param="preflight")


class UnusableFile(InvalidRequest):
    """Unknown, another project's, deleted, expired, of another purpose: all the same."""

    def __init__(self, param: str, file_id: str) -> None:
        super().__init__(f"invalid {param}: {file_id}", param=param)


class MissingValidationFile(InvalidRequest):
    code = "missing_validation_file"

    def __init__(self) -> None:
        super().__init__(f"{NEEDS_VALIDATION} Name one in 'validation_file'.", param="validation_file")


class TrainingPolicyNotMet(InvalidRequest):
    """The project demands more of its data than this has passed; `problems` are whole sentences."""

    code = "training_policy"

    def __init__(self, problems: Sequence[str], param: str) -> None:
        super().__init__(told(problems), param=param)


def told(problems: Sequence[str]) -> str:
    """What a policy finds missing, as a refused request and a failed job say it."""
    return " ".join(("This project's training policy (GET /v1/fine_tuning/policy) is not met.", *problems))


class ProviderCannot(InvalidRequest):
    """The provider of the model would refuse the job, or do something else than was asked."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message, code=obstacle.code, param=obstacle.param)


class ModelDiesTooSoon(InvalidRequest):
    """The house or the project trains nothing that ends so soon."""

    code = "model_retires_too_soon"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="model")


class WrongState(InvalidRequest):
    """The job is in a state from which it cannot do that."""

    code = "invalid_job_state"

    def __init__(self, job_id: str, status: JobStatus, verb: str) -> None:
        super().__init__(f"Job {job_id} is {status} and cannot be {verb}.", param="fine_tune_id")


class StillPausing(InvalidRequest):
    code = "invalid_job_state"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job {job_id} is still on its way to its pause. Resume it when its status is paused.",
                         param="fine_tune_id")


class ConflictingHyperparameters(InvalidRequest):
    code = "conflicting_hyperparameters"

    def __init__(self, reason: str) -> None:
        super().__init__(f"'hyperparameters' is the old place of 'method.supervised.hyperparameters', and {reason}."
                         " Give them once, in 'method'.", param="hyperparameters")


class TuningDoesNotFit(InvalidRequest):
    """The tuned model to go on from cannot be trained so; `reason` tells what it is."""

    code = "tuning_does_not_fit"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"Model {model} {reason}.", param="method.supervised.tuning")


class CredentialDoesNotFit(InvalidRequest):
    """The credential cannot pay for this; `reason` completes the sentence "…: <reason>"."""

    code = "credential_does_not_fit"

    def __init__(self, credential: str, reason: str) -> None:
        super().__init__(f"Credential '{credential}' does not fit: {reason}. Leave 'credential' out, or name another of"
                         " GET /v1/credentials.", param="credential")


class ServerLost(InvalidRequest):
    """A model is to be trained on, and the credential that led to it is deleted."""

    code = "no_credential"

    def __init__(self, name: str, provider: str) -> None:
        super().__init__(f"The model {name} lies at {provider}, and the credential that led there was deleted. Store a"
                         " credential for that server again (POST /v1/credentials): once it is checked, the model can"
                         " be trained on.", param="model")


class NotRetrainable(InvalidRequest):
    """An old job cannot be trained again as it was; `reason` is whole sentences."""

    code = "not_retrainable"

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"Job {job_id} cannot be trained again. {reason}", param="fine_tune_id")


class NoJobsNamed(InvalidRequest):
    code = "no_jobs_named"

    def __init__(self) -> None:
        super().__init__("Name the jobs to train again in 'jobs', or all imported ones with 'all': true; not both.",
                         param="jobs")


class IntegrationNotSupported(InvalidRequest):
    code = "integration_not_supported"

    def __init__(self) -> None:
        super().__init__("This house sends nothing to other services, so no integration can be enabled. Leave"
                         " 'integrations' out; the metrics are in the job's events and in its result file.",
                         param="integrations")


class InvalidMetadataFilter(InvalidRequest):
    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid 'metadata': {reason}. Filter with metadata[key]=value, or with metadata=null for"
                         " jobs without metadata.", param="metadata", code="invalid_value")


class InvalidTransition(Exception):
    """A move that the table of states does not know: a mistake of ours, not of a caller."""

    def __init__(self, job_id: str, status: JobStatus, to: JobStatus) -> None:
        super().__init__(f"{job_id}: {status} does not become {to}")


class ForgedWebhook(InvalidRequest):
    """The same for a credential that there is not: whoever cannot sign learns nothing."""

    code = "invalid_webhook_signature"

    def __init__(self) -> None:
        super().__init__("The webhook's signature does not fit: it must be made with the secret that is stored as the"
                         " credential's 'webhook_secret', over these very bytes, within the last 5 minutes. See"
                         " standardwebhooks.com; the headers are webhook-id, webhook-timestamp and webhook-signature.")


class UnreadableWebhook(InvalidRequest):
    code = "invalid_webhook"

    def __init__(self) -> None:
        super().__init__('The webhook names no job: its body must be JSON with the id in "data", as in'
                         ' {"type": "fine_tuning.job.succeeded", "data": {"id": "ftjob-…"}}.', param="data.id")
