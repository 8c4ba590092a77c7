"""Coverage of versions, and what a training policy still asks for; then what it means for jobs."""

from typing import Any

import pytest
from sqlalchemy import text

from service.datasets import operations
from service.datasets.analysis.batches import Flag
from service.jobs import operations as jobs
from service.kit.database import transaction
from tests.fixtures.api import Administrator, Tenant
from tests.service.datasets.reviewing import Reviewed, account_of, colleague, example, make_version

OPEN = {"max_verdict": "block", "min_reviewed_percent": 0.0, "approval": "none", "model_life": None}


def problems(version: Reviewed, **policy: Any) -> list[str]:
    with transaction(version.tenant.scope) as session:
        return operations.policy_problems(session, policy=OPEN | policy, file_id=version.file_id,
                                          version_id=version.version_id, verdict="warn", uploader=None)


def coverage(version: Reviewed) -> operations.Coverage:
    with transaction(version.tenant.scope) as session:
        return operations.coverage(session, version.version_id)


class TestCoverage:
    def test_a_line_is_counted_once_however_often_it_was_reviewed(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] * 3 + [0] * 7)
        for _ in range(2):
            for item in version.items(version.review(flagged="all", skip_reviewed=False)):
                version.decide(tenant, item)
        found = coverage(version)
        assert (found.reviewed, found.total, found.percent) == (3, 10, 30.0)

    def test_open_and_disputed_items_are_not_reviewed(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] * 3)
        other = colleague(tenant)
        one, two, _ = version.items(version.review(flagged="all", reviewers_per_item=2))
        version.decide(tenant, one)
        for who, what in ((tenant, "approve"), (other, "reject")):
            version.decide(who, two, what)
        assert coverage(version).reviewed == 0

    def test_what_a_review_left_standing_counts_for_the_version_made_by_it(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] * 5 + [0] * 5)
        review = version.review(flagged="all")
        for item, what in zip(version.items(review), ["reject", "approve", "edit", "reject", "approve"], strict=True):
            version.decide(tenant, item, what, **({"example": example(77)} if what == "edit" else {}))
        version.close(tenant, review)
        made = make_version(tenant, [0] * 8, parents=[version.version_id], source=applied(version, review))
        found = coverage(made)
        assert (found.reviewed, found.total, found.approved_by) == (3, 8, frozenset())
        for item in made.items(made.review(sampled=8)):  # of these, lines 1 to 3 are reviewed already
            made.decide(tenant, item)
        assert coverage(made).reviewed == 8

    def test_a_review_of_another_version_counts_for_nothing(self, tenant: Tenant) -> None:
        version, other = (make_version(tenant, [Flag.SECRET] * 3) for _ in range(2))
        review = version.review(flagged="all")
        for item in version.items(review):
            version.decide(tenant, item)
        version.close(tenant, review)
        made = make_version(tenant, [0] * 3, parents=[other.version_id], source=applied(version, review))
        assert coverage(made).reviewed == 0


def applied(version: Reviewed, review: dict[str, Any]) -> dict[str, Any]:
    spec = {"type": "apply_review", "review_id": review["id"], "conflicts": "keep"}
    return {"type": "transformation", "transformation": spec, "versions": [version.version_id]}


class TestProblems:
    def test_an_open_policy_asks_for_nothing(self, tenant: Tenant) -> None:
        assert problems(make_version(tenant, [0] * 3)) == []

    def test_a_verdict_that_is_too_bad_is_told(self, tenant: Tenant) -> None:
        version = make_version(tenant, [0] * 3)
        [told] = problems(version, max_verdict="go")
        assert told.startswith("The verdict on its data is 'warn', and at worst 'go' is trained on")
        assert problems(version, max_verdict="warn") == []

    def test_missing_review_is_told_with_its_numbers(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] + [0] * 9)
        for item in version.items(version.review(flagged="all")):
            version.decide(tenant, item)
        [told] = problems(version, min_reviewed_percent=10.5)
        assert told.startswith(f"10 % of version {version.version_id} is reviewed (1 of 10 examples), and 10.5 % must")
        assert problems(version, min_reviewed_percent=10) == []

    def test_approval_is_missing_until_somebody_gives_it(self, tenant: Tenant) -> None:
        version = make_version(tenant, [0] * 3)
        [told] = problems(version, approval="any")
        assert told.startswith(f"Nobody has approved version {version.version_id}")
        version.close(tenant, version.review())
        assert problems(version, approval="any") == []

    def test_who_uploaded_made_or_began_the_data_cannot_approve_it_alone(self, tenant: Tenant) -> None:
        other = colleague(tenant)
        origin = make_version(tenant, [0] * 3, created_by=account_of(tenant))
        version = make_version(tenant, [0] * 3, parents=[origin.version_id], created_by="svc_acct_maker")
        version.close(tenant, version.review())
        [told] = problems(version, approval="other_than_uploader")
        assert "another service account must close" in told
        version.close(other, version.review())
        assert problems(version, approval="other_than_uploader") == []

    def test_who_wrote_lines_in_a_review_cannot_approve_them_alone(self, tenant: Tenant) -> None:
        editor, third = colleague(tenant, "Editor"), colleague(tenant, "Third")
        origin = make_version(tenant, [Flag.SECRET] * 3, created_by=account_of(tenant))
        review = origin.review(flagged="all")
        first, second, _ = origin.items(review)
        origin.decide(editor, first, "edit", example=example(77))
        origin.decide(third, second)
        origin.close(third, review)
        made = make_version(tenant, [0] * 3, parents=[origin.version_id], source=applied(origin, review),
                            created_by=account_of(tenant))
        made.close(editor, made.review())
        [told] = problems(made, approval="other_than_uploader")
        assert "another service account must close" in told
        made.close(third, made.review())
        assert problems(made, approval="other_than_uploader") == []

    def test_a_report_from_before_there_were_verdicts_has_one_all_the_same(self, tenant: Tenant) -> None:
        version = make_version(tenant, [0] * 3, warnings=2)
        with transaction(tenant.scope) as session:
            session.execute(text("update dataset_reports set verdict = null"))
            assert operations.known_verdict(session, version.file_id) == "warn"

    def test_a_refusal_stands_until_a_newer_approval(self, tenant: Tenant) -> None:
        version = make_version(tenant, [0] * 3)
        version.close(tenant, version.review(), approve=False)
        [told] = problems(version, approval="any")
        assert f"was refused by {account_of(tenant)}" in told

    def test_a_bare_file_has_no_reviews(self, tenant: Tenant) -> None:
        with transaction(tenant.scope) as session:
            [told] = operations.policy_problems(session, policy=OPEN | {"approval": "any"}, file_id="file-1",
                                                version_id=None, verdict=None, uploader=None)
        assert "make a dataset version of it under /v1/datasets, review that" in told


class TestJobs:
    def allow(self, administrator: Administrator, tenant: Tenant, policy: dict[str, Any] | None) -> None:
        answer = administrator.client.post(f"/v1/organization/projects/{tenant.project_id}",
                                           json={"training_policy": policy})
        assert answer.status_code == 200, answer.text

    def create(self, version: Reviewed) -> Any:
        return version.tenant.client.post("/v1/fine_tuning/jobs", json={
            "model": "smollm2-135m-instruct", "training_file": version.file_id})

    def test_a_job_is_refused_at_once_where_the_policy_is_known_not_to_be_met(
            self, tenant: Tenant, administrator: Administrator) -> None:
        version = make_version(tenant, [Flag.SECRET] + [0] * 11, warnings=1)
        self.allow(administrator, tenant, {"min_reviewed_percent": 5, "approval": "any", "max_verdict": "go"})
        refused = self.create(version)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("training_policy", "training_file")
        assert "training policy (GET /v1/fine_tuning/policy) is not met. The verdict" in error["message"]
        assert "Nobody has approved" in error["message"]
        self.allow(administrator, tenant, {"min_reviewed_percent": 5, "approval": "any"})
        review = version.review(flagged="all")
        version.decide(tenant, version.items(review)[0])
        version.close(tenant, review)
        assert self.create(version).status_code == 200

    def test_a_policy_set_after_the_job_was_made_decides_before_it_trains(
            self, tenant: Tenant, administrator: Administrator) -> None:
        version = make_version(tenant, [0] * 12)
        job_id = self.create(version).json()["id"]
        self.allow(administrator, tenant, {"approval": "any"})
        assert prepared(tenant, job_id)["error"]["code"] == "training_policy"
        assert prepared(tenant, job_id)["status"] == "failed"

    def test_a_verdict_that_comes_out_too_bad_fails_the_job(self, tenant: Tenant,
                                                            administrator: Administrator) -> None:
        version = make_version(tenant, [0] * 12, warnings=3)
        job_id = self.create(version).json()["id"]
        self.allow(administrator, tenant, {"max_verdict": "go"})
        error = prepared(tenant, job_id)["error"]
        assert (error["code"], error["param"]) == ("training_policy", "training_file")
        assert "The verdict on its data is 'warn'" in error["message"]

    def test_a_policy_that_is_lifted_lets_everything_pass(self, tenant: Tenant, administrator: Administrator) -> None:
        version = make_version(tenant, [0] * 12)
        self.allow(administrator, tenant, {"approval": "any"})
        assert self.create(version).status_code == 400
        self.allow(administrator, tenant, None)
        job_id = self.create(version).json()["id"]
        assert prepared(tenant, job_id)["status"] == "queued"

    def test_a_job_that_was_queued_before_is_not_touched(self, tenant: Tenant, administrator: Administrator) -> None:
        version = make_version(tenant, [0] * 12)
        job_id = self.create(version).json()["id"]
        assert prepared(tenant, job_id)["status"] == "queued"
        self.allow(administrator, tenant, {"approval": "any"})
        with transaction(tenant.scope) as session:
            assert jobs.begin(session, job_id) is not None

    def test_project_keys_read_the_policy(self, tenant: Tenant, administrator: Administrator) -> None:
        shown = tenant.client.get("/v1/fine_tuning/policy").json()
        assert shown == {"object": "fine_tuning.policy", "project_id": tenant.project_id, "training_policy": None}
        self.allow(administrator, tenant, {"max_verdict": "warn"})
        assert tenant.client.get("/v1/fine_tuning/policy").json()["training_policy"] == \
            {"max_verdict": "warn", "min_reviewed_percent": 0.0, "approval": "none", "model_life": None}


def prepared(tenant: Tenant, job_id: str) -> dict[str, Any]:
    """The job after a worker prepared it."""
    with transaction(tenant.scope) as session:
        jobs.prepare(session, job_id)
    found: dict[str, Any] = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()
    return found


class TestSetting:
    def test_it_is_shown_on_the_project_and_audited(self, tenant: Tenant, administrator: Administrator) -> None:
        url = f"/v1/organization/projects/{tenant.project_id}"
        policy = {"max_verdict": "warn", "min_reviewed_percent": 12.5, "approval": "other_than_uploader",
                  "model_life": {"min_days": 30, "action": "refuse"}}
        assert administrator.client.get(url).json()["training_policy"] is None
        changed = administrator.client.post(url, json={"training_policy": policy}).json()
        assert (changed["training_policy"], changed["name"]) == (policy, "Acme Support")
        entry = administrator.client.get("/v1/organization/audit_logs").json()["data"][0]
        assert entry["project.updated"] == {"id": tenant.project_id,
                                            "changes_requested": {"training_policy": policy}}
        assert administrator.client.post(url, json={"name": "New"}).json()["training_policy"] == policy
        assert administrator.client.post(url, json={"training_policy": None}).json()["training_policy"] is None

    @pytest.mark.parametrize("policy", [
        {"max_verdict": "fine"}, {"min_reviewed_percent": 101}, {"min_reviewed_percent": -1}, {"approval": "me"},
        {"who": 1}, [], "none", {"min_reviewed_percent": "5"}])
    def test_nonsense_is_refused(self, tenant: Tenant, administrator: Administrator, policy: Any) -> None:
        answer = administrator.client.post(f"/v1/organization/projects/{tenant.project_id}",
                                           json={"training_policy": policy})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"].startswith("training_policy")
