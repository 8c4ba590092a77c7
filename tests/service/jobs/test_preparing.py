"""A job waits for its files' verdict, then is queued with numbers or fails with a cause, and becomes a plan."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update

from service.files.tables import File
from service.jobs import operations
from service.jobs.plans import Artifact, ResumePoint, TrainingPlan
from service.jobs.states import JobStatus
from service.kit.database import Scope, transaction
from service.tenants.operations import archive_project
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, checkpoint, make_file, make_job, messages, reload, running_job, validate

NOW = datetime.now(UTC)


def prepare(tenant: Tenant, job_id: str) -> bool:
    with transaction(tenant.scope) as session:
        return operations.prepare(session, job_id)


def begin(tenant: Tenant, job_id: str) -> TrainingPlan | None:
    with transaction(tenant.scope) as session:
        return operations.begin(session, job_id)


def change_file(tenant: Tenant, file_id: str, **values: object) -> None:
    with transaction(tenant.scope) as session:
        session.execute(update(File).where(File.id == file_id).values(**values))


def test_a_job_waits_for_both_files_and_is_queued_with_numbers(tenant: Tenant) -> None:
    training, validation = make_file(tenant, examples=None), make_file(tenant, examples=None)
    job_id = make_job(tenant, training_file=training, validation_file=validation)
    assert prepare(tenant, job_id) is True
    validate(tenant, training, examples=10)
    assert prepare(tenant, job_id) is True
    assert reload(tenant, job_id).status is JobStatus.VALIDATING_FILES
    validate(tenant, validation, examples=20_000)
    assert prepare(tenant, job_id) is False
    job = reload(tenant, job_id)
    assert job.status is JobStatus.QUEUED
    assert job.hyperparameters == {"n_epochs": 10, "batch_size": 1, "learning_rate_multiplier": 1.0}
    assert prepare(tenant, job_id) is False
    assert messages(tenant, job_id) == [
        f"Created fine-tuning job: {job_id}", f"Validating training file: {training} and validation file: {validation}",
        "Files validated, moving job to queued state"]


def test_a_bad_file_fails_the_job_with_its_first_error(tenant: Tenant) -> None:
    for param in ("training_file", "validation_file"):
        bad = make_file(tenant, error="Line 3 is not JSON.")
        job_id = make_job(tenant, JobStatus.VALIDATING_FILES, **{param: bad})
        assert prepare(tenant, job_id) is False
        job = reload(tenant, job_id)
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert job.error["param"] == param
        assert "Line 3 is not JSON." in job.error["message"]
        assert messages(tenant, job_id)[-1] == job.error["message"]


def test_too_few_examples_fail_the_job(tenant: Tenant) -> None:
    job_id = make_job(tenant, training_file=make_file(tenant, examples=7))
    assert prepare(tenant, job_id) is False
    error = reload(tenant, job_id).error
    assert error is not None
    assert (error["code"], error["param"]) == ("invalid_n_examples", "training_file")


def test_a_file_that_could_not_be_validated_fails_the_job(tenant: Tenant) -> None:
    file_id = make_file(tenant, examples=None)
    job_id = make_job(tenant, training_file=file_id)
    change_file(tenant, file_id, status="error", status_details="It could not be read.")
    assert prepare(tenant, job_id) is False
    assert reload(tenant, job_id).error == {"code": "server_error", "param": "training_file",
                                            "message": "It could not be read."}


def test_a_file_that_was_deleted_meanwhile_fails_the_job(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    early, late = make_job(tenant, training_file=file_id), make_job(tenant, training_file=file_id)
    assert prepare(tenant, late) is False
    change_file(tenant, file_id, deleted_at=NOW)
    assert prepare(tenant, early) is False
    assert begin(tenant, late) is None
    for job_id in (early, late):
        job = reload(tenant, job_id)
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert job.error["code"] == "deleted_training_file"


def test_a_plan_holds_what_a_provider_needs(tenant: Tenant) -> None:
    numbers = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5}
    job_id = make_job(tenant, seed=7, method={"type": "supervised", "supervised": {
        "hyperparameters": numbers, "tuning": {"type": "full"}}})
    prepare(tenant, job_id)
    plan = begin(tenant, job_id)
    assert plan is not None
    assert (plan.job_id, plan.project_id) == (job_id, tenant.project_id)
    assert (plan.provider, plan.base_model_id) == ("local", BASE)
    assert (plan.method.n_epochs, plan.method.batch_size, plan.method.learning_rate_multiplier) == (2, 4, 0.5)
    assert plan.method.tuning == {"type": "full"}
    assert (plan.seed, plan.context_length, plan.validation_object) == (7, 8192, None)
    assert plan.training_object.startswith("objects/")
    assert (plan.start_from, plan.resume, plan.handle) == (None, None, None)


def test_a_begun_job_is_begun_again_after_a_crash_and_says_so_once(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    with transaction(tenant.scope) as session:
        operations.record_handle(session, job_id, {"pid": 1})
    checkpoint(tenant, job_id, 10)
    plan = begin(tenant, job_id)
    assert plan is not None
    assert plan.handle == {"pid": 1}
    assert plan.resume == ResumePoint(step=10, artifact_prefix=f"artifacts/{job_id}/10/")
    assert messages(tenant, job_id).count("Fine-tuning job started") == 1


def test_there_is_nothing_to_begin_in_other_states(tenant: Tenant) -> None:
    for status in set(JobStatus) - {JobStatus.QUEUED, JobStatus.RUNNING}:
        assert begin(tenant, make_job(tenant, status)) is None
    assert begin(tenant, "ftjob-unknown") is None


def test_a_stop_that_was_asked_for_before_the_submission_is_granted_at_once(tenant: Tenant) -> None:
    cancelled, paused = running_job(tenant), running_job(tenant)
    with transaction(tenant.scope) as session:
        operations.cancel(session, cancelled)
        operations.pause(session, paused)
    assert begin(tenant, cancelled) is None
    assert begin(tenant, paused) is None
    assert reload(tenant, cancelled).status is JobStatus.CANCELLED
    assert reload(tenant, paused).status is JobStatus.PAUSED


def archive(tenant: Tenant) -> None:
    with transaction(Scope.organization(tenant.organization_id)) as session:
        archive_project(session, tenant.project_id, by="test")


def test_an_archived_project_trains_nothing_more(tenant: Tenant) -> None:
    waiting, queued, running = make_job(tenant), make_job(tenant), running_job(tenant)
    assert prepare(tenant, queued) is False
    archive(tenant)
    assert prepare(tenant, waiting) is False
    assert begin(tenant, queued) is None
    with transaction(tenant.scope) as session:
        assert operations.stop_requested(session, running) == "cancel"
    assert begin(tenant, running) is None  # its worker died before it had submitted anything
    for job_id in (waiting, queued, running):
        assert reload(tenant, job_id).status is JobStatus.CANCELLED
        assert messages(tenant, job_id)[-1] == "The job was cancelled: its project is archived"


def test_a_run_that_its_provider_has_is_cancelled_there_when_the_project_is_archived(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    with transaction(tenant.scope) as session:
        operations.record_handle(session, job_id, {"pid": 1})
    archive(tenant)
    assert begin(tenant, job_id) is not None
    with transaction(tenant.scope) as session:
        assert operations.stop_requested(session, job_id) == "cancel"


def test_a_tuned_model_can_be_trained_on_until_it_is_deleted(tenant: Tenant, stranger: Tenant) -> None:
    first = running_job(tenant)
    checkpoint(tenant, first, 10)
    with transaction(tenant.scope) as session:
        operations.record_success(session, first, trained_tokens=9, result_file="file-result")
    name = reload(tenant, first).fine_tuned_model
    refused = stranger.client.post("/v1/fine_tuning/jobs", json={"model": name, "training_file": make_file(stranger)})
    assert refused.json()["error"]["code"] == "model_not_available"
    second, third = make_job(tenant, model=name), make_job(tenant, model=name)
    prepare(tenant, second)
    plan = begin(tenant, second)
    assert plan is not None
    assert plan.base_model_id == BASE
    assert plan.start_from == Artifact(kind="adapter", artifact_prefix=f"artifacts/{first}/10/")
    assert tenant.client.delete(f"/v1/models/{name}").status_code == 200
    prepare(tenant, third)
    assert begin(tenant, third) is None
    error = reload(tenant, third).error
    assert error is not None
    assert error["code"] == "model_not_found"


def finished_model(tenant: Tenant, tuning: dict[str, Any]) -> str:
    job_id = running_job(tenant, method={"type": "supervised", "supervised": {"tuning": tuning}})
    checkpoint(tenant, job_id, 10, kind="adapter" if tuning["type"] == "lora" else "model")
    with transaction(tenant.scope) as session:
        operations.record_success(session, job_id, trained_tokens=9, result_file="file-result")
    return str(reload(tenant, job_id).fine_tuned_model)


def go_on(tenant: Tenant, model: str, tuning: dict[str, Any] | None) -> dict[str, Any]:
    body = {"model": model, "training_file": make_file(tenant),
            "method": {"type": "supervised", "supervised": {"tuning": tuning}}}
    answer: dict[str, Any] = tenant.client.post("/v1/fine_tuning/jobs", json=body).json()
    return answer


def test_going_on_keeps_the_shape_of_what_is_there(tenant: Tenant) -> None:
    adapter, whole = finished_model(tenant, {"type": "lora", "rank": 8}), finished_model(tenant, {"type": "full"})

    def shown(model: str, tuning: dict[str, Any] | None) -> Any:
        return go_on(tenant, model, tuning)["method"]["supervised"]["tuning"]
    assert shown(adapter, None) == {"type": "lora", "rank": 8, "alpha": 16.0, "dropout": 0.0}
    assert shown(adapter, {"dropout": 0.25}) == {"type": "lora", "rank": 8, "alpha": 16.0, "dropout": 0.25}
    assert shown(adapter, {"type": "full"}) == {"type": "full"}
    assert shown(whole, None) == {"type": "full"}
    assert shown(whole, {"type": "last_layers"}) == {"type": "last_layers", "layers": 2}
    for model, tuning in ((adapter, {"rank": 16}), (adapter, {"alpha": 1.0}), (whole, {"type": "lora"})):
        assert go_on(tenant, model, tuning)["error"]["code"] == "tuning_does_not_fit"
