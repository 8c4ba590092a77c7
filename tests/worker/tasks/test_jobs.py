"""What a worker does around a run: files are compared before a job is queued, and its speed is remembered."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.catalog import queries as catalog
from service.catalog.machines import trained_on
from service.jobs import operations as jobs
from service.jobs import queries
from service.jobs.plans import ResumePoint, SupervisedMethod, TrainingPlan
from service.kit import work
from service.kit.database import NOBODY, transaction
from service.kit.work import Claim, Work
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import different
from tests.service.jobs.building import BASE, make_job, reload, running_job
from tests.worker.tasks.running import work_off
from tests.worker.tasks.test_preflights import ROUTE, upload
from worker import app
from worker.app import Running
from worker.providers.base import Failed, Saved, Update
from worker.providers.base import Running as Progress
from worker.tasks import jobs as tasks


def plan(provider: str = "local") -> TrainingPlan:
    return TrainingPlan(job_id="ftjob-1", project_id="proj_1", provider=provider, base_model_id=BASE,
                        context_length=8192, training_object="a", validation_object=None, seed=1,
                        method=SupervisedMethod(n_epochs=1, batch_size=1, learning_rate_multiplier=1.0,
                                                tuning={"type": "lora", "rank": 8}))


class _Trainer:
    """A provider that nobody asks anything."""


class TestSpeed:
    def watched(self, of: TrainingPlan, *, seconds: float, tokens: int) -> dict[str, list[float]]:
        """What is remembered after a run that trained so long under one watch."""
        claim = Claim("work_1", of.project_id, Work.TRAIN_JOB, of.job_id, 1, 0, 0)
        watch = tasks.Supervision(Running(claim), of, _Trainer())  # type: ignore[arg-type]  # it is asked nothing
        if seconds:
            watch.training_since = time.monotonic() - seconds
        with transaction(NOBODY) as session:
            watch._note_rate(session, tokens)
        with transaction(NOBODY) as session:
            return catalog.rates(session, BASE, "lora")

    @pytest.mark.usefixtures("clean_database")
    def test_tokens_a_second_are_kept_under_the_device(self) -> None:
        [(device, [rate])] = self.watched(plan(), seconds=100, tokens=50_000).items()
        assert device == trained_on()
        assert rate == pytest.approx(500, rel=0.01)

    @pytest.mark.usefixtures("clean_database")
    def test_those_of_another_provider_under_its_name(self) -> None:
        assert list(self.watched(plan("elsewhere"), seconds=100, tokens=50_000)) == ["elsewhere"]

    @pytest.mark.usefixtures("clean_database")
    @pytest.mark.parametrize(("seconds", "tokens", "resumed"), [
        (0.0, 50_000, False), (2.0, 50_000, False), (100.0, 0, False), (100.0, 50_000, True)])
    def test_what_was_not_seen_whole_or_is_too_short_tells_nothing(self, seconds: float, tokens: int, *,
                                                                   resumed: bool) -> None:
        of = replace(plan(), resume=ResumePoint(3, "prefix/")) if resumed else plan()
        assert self.watched(of, seconds=seconds, tokens=tokens) == {}


def train(tenant: Tenant, handler: Callable[[tasks.Supervision], timedelta | None], **counted: int) -> tuple[Any, ...]:
    """Run the job's TRAIN_JOB once with this handler, after so many crashes and failures; how it stands then."""
    job_id = running_job(tenant)
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set run_at = now(), crashes = :crashes, failures = :failures"
                             " where kind = 'jobs.train'"), counted)
        item = session.execute(text("select id from work_items where kind = 'jobs.train'")).scalar_one()
    of = replace(plan(), job_id=job_id, project_id=tenant.project_id)
    app.run(app.Task(Work.TRAIN_JOB, lambda running: handler(
        tasks.Supervision(running, of, _Trainer()))), item)  # type: ignore[arg-type]  # as above
    with transaction(tenant.scope) as session:
        return tuple(session.execute(text("select state, crashes, failures from work_items where id = :id"),
                                     {"id": item}).one())


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    (tmp_path / "manifest.json").write_text('{"adapter.safetensors": "0"}')
    return Saved(8, str(tmp_path), "adapter", {"step": 8}, final=False)


@pytest.mark.parametrize("failures", [tasks._MAX_CRASHES, work.MAX_FAILURES])
def test_a_job_that_comes_from_checkpoint_to_checkpoint_may_lose_any_number_of_workers(
        tenant: Tenant, saved: Saved, failures: int) -> None:
    def get_on_and_fail(watch: tasks.Supervision) -> timedelta | None:
        watch._store(saved)
        return watch._conclude(Update(Progress({}), Failed("server_error", "It died.", transient=True)))

    assert train(tenant, get_on_and_fail, crashes=work.MAX_CRASHES, failures=failures) == ("pending", 0, 1)


def test_a_checkpoint_that_was_there_before_is_no_headway(tenant: Tenant, saved: Saved) -> None:
    """A job whose checkpoints are deleted comes to the same ones again, and would die behind them for ever."""
    def come_again(watch: tasks.Supervision) -> timedelta | None:
        watch._store(saved)
        with transaction(tenant.scope) as session:
            [found] = queries.kept_checkpoints(session, watch.plan.job_id)
            session.execute(text("update work_items set crashes = 5, failures = 5 where kind = 'jobs.train'"))
        assert tenant.client.delete(f"/v1/models/{found.fine_tuned_model_checkpoint}").status_code == 200
        watch._store(saved)
        return timedelta(0)

    assert train(tenant, come_again, crashes=0, failures=0) == ("pending", 5, 5)


def prepare(tenant: Tenant) -> None:
    """Run the job's PREPARE_JOB once, as a worker does."""
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set run_at = now() where kind = 'jobs.prepare'"))
        item = session.execute(text("select id from work_items where kind = 'jobs.prepare'")).scalar_one()
    app.run(tasks.prepare, item)


class TestPrepare:
    def test_a_report_that_lands_between_question_and_verdict_is_compared_all_the_same(
            self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        training, validation = upload(tenant, different(40)), upload(tenant, different(20, 30))
        job_id = make_job(tenant, training_file=training, validation_file=validation)
        asked: list[Any] = []
        step_for_job = jobs.step_for_job

        def question(session: Any, of: str) -> Any:
            step = step_for_job(session, of)
            asked.append(step)
            if len(asked) == 1:
                work_off(tenant)  # both files are read just now
            return step
        monkeypatch.setattr(jobs, "step_for_job", question)
        prepare(tenant)
        job = reload(tenant, job_id)
        assert (job.status, asked) == ("validating_files", [None]), "undone, and asked anew"
        prepare(tenant)
        job = reload(tenant, job_id)
        assert job.status == "queued"
        told = tenant.client.get(f"{ROUTE}/{job.preflight}").json()
        assert told["leakage"]["exact"] == 10

    def test_files_without_columns_are_not_waited_for(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        training, validation = upload(tenant, different(20)), upload(tenant, different(20, 30))
        job_id = make_job(tenant, training_file=training, validation_file=validation)
        work_off(tenant)
        monkeypatch.setattr(tasks, "leakage_between", lambda _: None)
        prepare(tenant)
        job = reload(tenant, job_id)
        assert job.status == "queued"
        assert tenant.client.get(f"{ROUTE}/{job.preflight}").json()["leakage"] is None


def test_a_job_that_nobody_could_prepare_fails_and_says_so(tenant: Tenant) -> None:
    job_id = make_job(tenant)
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set failures = :most where kind = 'jobs.prepare'"),
                        {"most": work.MAX_FAILURES + 1})
    prepare(tenant)
    job = reload(tenant, job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["code"] == "server_error"
