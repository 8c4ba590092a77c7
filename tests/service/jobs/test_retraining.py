"""Old jobs are trained again on other models: exactly as they were, once, with their cost told before."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text, update

from service.catalog import mappings
from service.files.tables import File
from service.jobs import operations, queries
from service.jobs.operations.transitions import Line
from service.jobs.schemas.retraining import RetrainMany
from service.jobs.states import JobStatus
from service.jobs.tables import Job
from service.kit.database import transaction
from service.kit.identifiers import new_id
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, checkpoint, make_file, make_job, until_somebody_waits

JOBS = "/v1/fine_tuning/jobs"
MANY = "/v1/fine_tuning/retrain"
SUPERVISED = {"type": "supervised", "supervised": {"hyperparameters": {
    "n_epochs": 4, "batch_size": 2, "learning_rate_multiplier": 1.8}}}


def old_job(tenant: Tenant, alias: str = "ftjob-old", **fields: Any) -> str:
    """A job that was imported: its id at the server it came from."""
    training = fields.pop("training_file", None) or make_file(tenant)
    row: dict[str, Any] = {
        "id": new_id("ftjob-"), "project_id": tenant.project_id, "organization_id": tenant.organization_id,
        "alias": alias, "model": "gpt-4o-mini-2024-07-18", "base_model": "gpt-4o-mini-2024-07-18",
        "provider": "openai", "status": JobStatus.SUCCEEDED, "method": SUPERVISED, "training_file": training,
        "suffix": "support", "seed": 77, "model_code": "abcdefgh",
        "fine_tuned_model": f"ft:gpt-4o-mini-2024-07-18:old:support:{alias[-3:]}",
        "original": {"organization_id": "org-old", "training_file": f"file-of-{alias}", "validation_file": None,
                     "result_files": []}}
    with transaction(tenant.scope) as session:
        session.add(Job(**row | fields))
        session.execute(update(File).where(File.id == training).values(alias=f"file-of-{alias}"))
    return alias


def again(tenant: Tenant, alias: str, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(f"{JOBS}/{alias}/retrain", json={"model": BASE, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def many(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(MANY, json={"model": BASE, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refusal(tenant: Tenant, path: str, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(path, json={"model": BASE, **body})
    assert answer.status_code in {400, 404}, answer.text
    return dict(answer.json()["error"])


class TestOne:
    def test_the_new_job_has_the_old_ones_data_split_numbers_seed_and_suffix(self, tenant: Tenant) -> None:
        validation = make_file(tenant)
        old = old_job(tenant, validation_file=validation, metadata_={"team": "a", "tuneworks_key": "another's"})
        done = again(tenant, old)
        new = done["successor"]
        assert (done["status"], done["job"]) == ("created", old)
        assert new["training_file"] == "file-of-ftjob-old"
        assert new["validation_file"] == validation
        assert new["method"]["supervised"]["hyperparameters"] == SUPERVISED["supervised"]["hyperparameters"]  # type: ignore[index]
        assert (new["seed"], new["user_provided_suffix"], new["model"]) == (77, "support", BASE)
        assert new["metadata"] == {"team": "a"}
        assert new["status"] == "validating_files"

    def test_old_and_new_name_each_other(self, tenant: Tenant) -> None:
        new = again(tenant, old_job(tenant))["successor"]["id"]
        assert tenant.client.get(f"{JOBS}/{new}").json()["successor_of"] == "ftjob-old"
        assert tenant.client.get(f"{JOBS}/ftjob-old").json()["successors"] == [new]

    def test_asking_twice_starts_one_job_and_says_so(self, tenant: Tenant) -> None:
        old_job(tenant)
        first, second = again(tenant, "ftjob-old"), again(tenant, "ftjob-old")
        assert (second["status"], second["successor"]["id"]) == ("existing", first["successor"]["id"])
        assert again(tenant, "ftjob-old", again=True)["successor"]["id"] != first["successor"]["id"]
        assert len(tenant.client.get(f"{JOBS}/ftjob-old").json()["successors"]) == 2

    def test_a_job_whose_successor_failed_is_trained_again(self, tenant: Tenant) -> None:
        old_job(tenant)
        first = again(tenant, "ftjob-old")["successor"]["id"]
        with transaction(tenant.scope) as session:
            operations.transition(session, first, JobStatus.FAILED, because=Line("no"))
        assert again(tenant, "ftjob-old")["status"] == "created"

    def test_what_the_model_cannot_take_is_adapted_and_told(self, tenant: Tenant) -> None:
        odd = {"type": "supervised", "supervised": {"hyperparameters": {
            "n_epochs": 3.0, "batch_size": 4096, "learning_rate_multiplier": None, "prompt_loss_weight": 0.01}}}
        done = again(tenant, old_job(tenant, method=odd, suffix="Köln team"))
        assert done["method"]["supervised"]["hyperparameters"] == {
            "n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto"}
        told = {each["param"]: each["message"] for each in done["adaptations"]}
        assert "4096" in told["method.supervised.hyperparameters.batch_size"]
        assert "left out" in told["method.supervised.hyperparameters.prompt_loss_weight"]
        assert "lora" in told["method.supervised.tuning"]
        assert done["successor"]["user_provided_suffix"] == "K-ln-team"
        assert told["suffix"] == "'Köln team' becomes 'K-ln-team'."

    def test_a_job_of_this_house_keeps_its_tuning(self, tenant: Tenant) -> None:
        tuning = {"type": "last_layers", "layers": 3}
        old = make_job(tenant, JobStatus.SUCCEEDED, method={"type": "supervised", "supervised": {"tuning": tuning}})
        assert again(tenant, old)["method"]["supervised"]["tuning"] == tuning
        assert again(tenant, old, again=True, tuning={"type": "full"})["method"]["supervised"]["tuning"] == {
            "type": "full"}

    def test_a_file_that_is_not_here_is_named(self, tenant: Tenant) -> None:
        old_job(tenant, original={"training_file": "file-lost"})
        with transaction(tenant.scope) as session:
            session.execute(update(Job).values(training_file="file-lost"))
        error = refusal(tenant, f"{JOBS}/ftjob-old/retrain")
        assert error["code"] == "not_retrainable"
        assert "training file file-lost is not here" in error["message"]

    @pytest.mark.parametrize("method", [
        {"type": "reinforcement", "reinforcement": {"hyperparameters": {}}}, {"type": "unheard_of"}, {},
        {"type": "supervised"}, {"type": "dpo", "dpo": "odd"},
    ])
    def test_methods_that_cannot_be_given_are_refused_in_words(self, tenant: Tenant, method: dict[str, Any]) -> None:
        old_job(tenant, method=method)
        answer = tenant.client.post(f"{JOBS}/ftjob-old/retrain", json={"model": BASE})
        assert answer.status_code == (200 if method == {"type": "supervised"} else 400), answer.text

    def test_unknown_jobs_and_models_answer_as_ever(self, tenant: Tenant, stranger: Tenant) -> None:
        old_job(stranger, "ftjob-foreign")
        assert refusal(tenant, f"{JOBS}/ftjob-foreign/retrain")["message"] == (
            "Could not find fine tune: ftjob-foreign")
        old_job(tenant)
        assert refusal(tenant, f"{JOBS}/ftjob-old/retrain", model="nothing")["code"] == "model_not_available"
        assert refusal(tenant, MANY, jobs=["ftjob-foreign"])["param"] == "jobs"

    def test_a_dry_run_tells_and_starts_nothing(self, tenant: Tenant) -> None:
        old_job(tenant)
        done = again(tenant, "ftjob-old", dry_run=True)
        assert (done["status"], done["successor"]) == ("planned", None)
        assert tenant.client.get(f"{JOBS}/ftjob-old").json()["successors"] == []
        assert len(tenant.client.get(JOBS).json()["data"]) == 1

    def test_a_dry_run_judges_the_credential_that_is_named(self, tenant: Tenant) -> None:
        old_job(tenant)
        planned = again(tenant, "ftjob-old", dry_run=True, credential="theirs")
        assert "credential_does_not_fit" in {each["code"] for each in planned["reasons"]}

    def test_the_mapping_is_offered_or_promised(self, tenant: Tenant) -> None:
        old_job(tenant)
        offered = again(tenant, "ftjob-old")
        assert "POST /v1/model_mappings" in offered["mapping"]
        promised = again(tenant, "ftjob-old", map=True)
        assert promised["status"] == "existing"
        assert "will be answered by the new model" in promised["mapping"]
        with transaction(tenant.scope) as session:
            new = session.get(Job, promised["successor"]["id"])
            assert new is not None
            assert new.answers_for == "ft:gpt-4o-mini-2024-07-18:old:support:old"


class TestMany:
    def test_all_imported_jobs_that_succeeded_are_trained_once(self, tenant: Tenant) -> None:
        for number in range(3):
            old_job(tenant, f"ftjob-{number}")
        old_job(tenant, "ftjob-failed", status=JobStatus.FAILED)
        make_job(tenant, JobStatus.SUCCEEDED)
        done = many(tenant, all=True)
        assert (done["created"], done["existing"], done["refused"]) == (3, 0, 0)
        assert [each["job"] for each in done["data"]] == ["ftjob-0", "ftjob-1", "ftjob-2"]
        assert many(tenant, all=True)["existing"] == 3

    def test_one_that_is_refused_keeps_no_other_back(self, tenant: Tenant) -> None:
        old_job(tenant, "ftjob-good")
        old_job(tenant, "ftjob-bad", method={"type": "reinforcement", "reinforcement": {}})
        done = many(tenant, jobs=["ftjob-bad", "ftjob-good", "ftjob-good"])
        assert (done["created"], done["refused"]) == (1, 1)
        bad = next(each for each in done["data"] if each["job"] == "ftjob-bad")
        assert bad["error"]["code"] == "not_retrainable"

    def test_pages_go_on_after_an_old_id(self, tenant: Tenant) -> None:
        for number in range(3):
            old_job(tenant, f"ftjob-{number}")
        first = many(tenant, all=True, limit=2, dry_run=True)
        assert (first["has_more"], first["last_id"]) == (True, "ftjob-1")
        rest = many(tenant, all=True, limit=2, after="ftjob-1", dry_run=True)
        assert ([each["job"] for each in rest["data"]], rest["has_more"]) == (["ftjob-2"], False)

    @pytest.mark.parametrize("body", [{}, {"jobs": ["ftjob-1"], "all": True}, {"all": False}])
    def test_either_jobs_or_all_must_be_named(self, tenant: Tenant, body: dict[str, Any]) -> None:
        assert refusal(tenant, MANY, **body)["code"] == "no_jobs_named"

    def test_jobs_whose_files_are_not_read_yet_are_counted_apart(self, tenant: Tenant) -> None:
        old_job(tenant, training_file=make_file(tenant, examples=None))
        done = many(tenant, all=True, dry_run=True)
        assert (done["planned"], done["cost"]["unknown"], done["duration"]["unknown"]) == (1, 1, 1)
        assert done["data"][0]["verdict"] is None


def test_a_look_ahead_waits_for_no_job_that_somebody_holds(tenant: Tenant) -> None:
    job_id = old_job(tenant)
    with transaction(tenant.scope) as session, transaction(tenant.scope) as other:
        queries.lock(other, job_id)
        session.execute(text("set local lock_timeout = '2s'"))
        body = RetrainMany(model=BASE, jobs=["ftjob-old", job_id], dry_run=True)
        assert operations.retrain_many(session, tenant.caller, body).planned == 1
        assert operations.retrain(session, tenant.caller, job_id, body).status == "planned"


def test_calls_that_name_the_old_model_are_answered_by_the_new_one_once_it_is_trained(tenant: Tenant) -> None:
    old_job(tenant)
    new = again(tenant, "ftjob-old", map=True)["successor"]["id"]
    assert tenant.client.get("/v1/model_mappings").json()["data"] == []
    for step in (JobStatus.QUEUED, JobStatus.RUNNING):
        with transaction(tenant.scope) as session:
            operations.transition(session, new, step, because=Line(f"to {step}"))
    checkpoint(tenant, new, 4)
    with transaction(tenant.scope) as session:
        operations.record_success(session, new, trained_tokens=7, result_file="file-result")
    job = tenant.client.get(f"{JOBS}/{new}").json()
    [mapping] = tenant.client.get("/v1/model_mappings").json()["data"]
    assert (mapping["model"], mapping["successor"], mapping["always"]) == (
        "ft:gpt-4o-mini-2024-07-18:old:support:old", job["fine_tuned_model"], True)
    with transaction(tenant.scope) as session:
        assert mappings.answering(session, mapping["model"]).model.name == job["fine_tuned_model"]
    late = again(tenant, "ftjob-old", map=True)
    assert "are answered by" in late["mapping"]


def test_a_mapping_that_somebody_made_stays_and_the_jobs_log_says_so(tenant: Tenant) -> None:
    old_job(tenant)
    name = "ft:gpt-4o-mini-2024-07-18:old:support:old"
    tenant.client.post("/v1/model_mappings", json={"model": name, "successor": BASE})
    new = again(tenant, "ftjob-old", map=True)["successor"]["id"]
    with transaction(tenant.scope) as session:
        session.execute(update(Job).where(Job.id == new).values(status=JobStatus.SUCCEEDED, fine_tuned_model="ft:new"))
    assert f"stay mapped to {BASE}" in again(tenant, "ftjob-old", map=True)["mapping"]
    [mapping] = tenant.client.get("/v1/model_mappings").json()["data"]
    assert (mapping["successor"], mapping["always"]) == (BASE, False)
    lines = tenant.client.get(f"{JOBS}/{new}/events").json()["data"]
    assert any(f"stay mapped to {BASE}" in each["message"] for each in lines)


def test_many_are_mapped_while_a_worker_maps_one_of_them(tenant: Tenant) -> None:
    """Neither waits for the other's mapping with a job that the other needs."""
    old_job(tenant, "ftjob-first")
    old_job(tenant, "ftjob-second")
    done, going = (again(tenant, alias)["successor"]["id"] for alias in ("ftjob-first", "ftjob-second"))
    with transaction(tenant.scope) as session:
        session.execute(update(Job).where(Job.id == done).values(status=JobStatus.SUCCEEDED, fine_tuned_model="ft:new"))
    with ThreadPoolExecutor(1) as pool:
        with transaction(tenant.scope) as session:
            assert queries.lock(session, going) is not None
            mapping = pool.submit(many, tenant, jobs=["ftjob-first", "ftjob-second"], map=True)
            until_somebody_waits()
            assert mappings.adopt(session, project_id=tenant.project_id, model="ft:gone", successor="ft:new", by=going)
        assert [each["status"] for each in mapping.result()["data"]] == ["existing", "existing"]
    found = tenant.client.get("/v1/model_mappings").json()["data"]
    assert {each["model"] for each in found} == {"ft:gone", "ft:gpt-4o-mini-2024-07-18:old:support:rst"}
