"""The official SDK drives jobs and models without knowing that this is another house."""

import pytest
from openai import BadRequestError, NotFoundError

from service.jobs import operations
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.fixtures.server import MakeSDK
from tests.service.jobs.building import BASE, checkpoint, make_file, running_job


def test_the_sdk_drives_a_job_through_its_life(tenant: Tenant, sdk: MakeSDK) -> None:
    jobs = sdk(tenant.key).fine_tuning.jobs
    job = jobs.create(model=BASE, training_file=make_file(tenant), suffix="mail", metadata={"team": "support"},
                      method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}})
    assert job.status == "validating_files"
    assert job.hyperparameters.n_epochs == 2
    assert jobs.retrieve(job.id).id == job.id
    with transaction(tenant.scope) as session:
        operations.prepare(session, job.id)
        operations.begin(session, job.id)
    jobs.pause(job.id)
    with transaction(tenant.scope) as session:
        operations.record_paused(session, job.id)
    assert jobs.resume(job.id).status == "queued"
    with transaction(tenant.scope) as session:
        operations.begin(session, job.id)
        operations.record_metrics(session, job.id, [{"step": 1, "total_steps": 1, "train_loss": 0.5}])
    checkpoint(tenant, job.id, 1)
    with transaction(tenant.scope) as session:
        operations.record_success(session, job.id, trained_tokens=12, result_file="file-result")
    done = jobs.retrieve(job.id)
    assert (done.status, done.trained_tokens, done.result_files) == ("succeeded", 12, ["file-result"])
    events = list(jobs.list_events(job.id, limit=2))
    assert [event.message for event in events][-1] == f"Created fine-tuning job: {job.id}"
    assert [event.data for event in events if event.type == "metrics"] == [
        {"step": 1, "total_steps": 1, "train_loss": 0.5}]
    kept = list(jobs.checkpoints.list(job.id))
    assert [each.fine_tuned_model_checkpoint for each in kept] == [done.fine_tuned_model]
    assert [each.id for each in jobs.list(metadata={"team": "support"})] == [job.id]
    assert list(jobs.list(metadata={"team": "other"})) == []


def test_the_sdk_walks_pages_and_reads_errors(tenant: Tenant, sdk: MakeSDK) -> None:
    client = sdk(tenant.key)
    jobs = client.fine_tuning.jobs
    file_id = make_file(tenant)
    made = [jobs.create(model=BASE, training_file=file_id).id for _ in range(5)]
    assert [job.id for job in jobs.list(limit=2)] == made[::-1]
    assert jobs.cancel(made[0]).status == "cancelled"
    with pytest.raises(BadRequestError) as again:
        jobs.cancel(made[0])
    assert (again.value.code, again.value.type) == ("invalid_job_state", "invalid_request_error")
    with pytest.raises(NotFoundError) as unknown:
        jobs.retrieve("ftjob-unknown")
    assert (unknown.value.code, unknown.value.param) == ("fine_tune_not_found", "fine_tune_id")
    with pytest.raises(BadRequestError) as no_file:
        jobs.create(model=BASE, training_file="file-unknown")
    assert no_file.value.param == "training_file"


def test_the_sdk_lists_reads_and_deletes_models(tenant: Tenant, sdk: MakeSDK) -> None:
    models = sdk(tenant.key).models
    job_id = running_job(tenant)
    checkpoint(tenant, job_id, 3)
    tuned = next(model for model in models.list() if model.id.startswith("ft:"))
    assert models.retrieve(tuned.id) == tuned
    assert models.retrieve("gpt-4o-mini").shutdown_date == "2027-01-14"
    assert models.delete(tuned.id).deleted is True
    with pytest.raises(NotFoundError) as gone:
        models.retrieve(tuned.id)
    assert gone.value.code == "model_not_found"
