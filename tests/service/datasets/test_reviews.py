"""Reviews over HTTP: queues, decisions, conflicts, comments, agreement, and what happens when they are closed."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from service.datasets.analysis.batches import Flag
from service.datasets.operations import coverage
from service.kit.database import transaction
from service.kit.storage import storage
from service.settings import settings
from service.tenants import operations as tenants
from service.tenants import queries
from tests.fixtures.api import Tenant, client_with
from tests.service.datasets.reviewing import Reviewed, account_of, colleague, example, make_version
from tests.worker.tasks.running import work_off

NUL_EDIT = {"messages": [{"role": "user", "content": "a\x00b"}, {"role": "assistant", "content": "c"}]}


@pytest.fixture
def version(tenant: Tenant) -> Reviewed:
    """Ten lines, of which 2, 4 and 5 are conspicuous, 4 the most."""
    return make_version(tenant, [0, Flag.REFUSAL, 0, Flag.SECRET, Flag.NEAR_DUPLICATE, 0, 0, 0, 0, 0])


def error(answer: Any) -> tuple[int, str | None, str | None]:
    told = answer.json()["error"]
    return answer.status_code, told["code"], told["param"]


def post(tenant: Tenant, url: str, content: str | bytes) -> Any:
    """Sends what a JSON library of today would not write."""
    return tenant.client.post(url, content=content, headers={"content-type": "application/json"})


class TestCreate:
    def test_it_is_prepared_by_a_worker(self, tenant: Tenant, version: Reviewed) -> None:
        answer = tenant.client.post(version.url, json={"flagged": 2, "sampled": 3, "seed": 7, "name": "First look"})
        assert answer.status_code == 200
        review = answer.json()
        assert (review["status"], review["name"], review["seed"], review["version_id"], review["dataset_id"]) == \
            ("preparing", "First look", 7, version.version_id, version.dataset_id)
        assert review["created_by"] == account_of(tenant)
        assert review["progress"]["items"] == 0

    def test_the_most_suspicious_come_first_and_show_themselves(self, version: Reviewed) -> None:
        items = version.items(version.review(flagged="all"))
        assert [(each["line"], each["flags"], each["suspicion"]) for each in items] == \
            [(4, ["secret"], 40), (2, ["refusal"], 12), (5, ["near_duplicate"], 4)]
        assert items[0]["example"] == example(4)
        assert items[0]["text"] is None

    def test_a_sample_is_drawn_from_the_others(self, version: Reviewed) -> None:
        review = version.review(flagged=1, sampled=4, seed=1)
        assert review["progress"]["items"] == 5
        assert [each["chosen_as"] for each in version.items(review)].count("sampled") == 4
        again = version.review(flagged=1, sampled=4, seed=1)
        assert [each["line"] for each in version.items(again)] == [each["line"] for each in version.items(review)]

    def test_a_percentage_is_one_of_the_version(self, version: Reviewed) -> None:
        review = version.review(flagged=0, sampled={"percent": 25})
        assert (review["progress"]["items"], review["sampled"]) == (3, {"percent": 25.0})

    def test_what_cannot_be_had_is_noted(self, version: Reviewed) -> None:
        review = version.review(flagged=50, sampled=20)
        assert review["progress"]["items"] == 10
        assert "Only 3 conspicuous examples" in review["note"]
        assert "holds 7 examples instead of 20" in review["note"]

    def test_reviewed_examples_are_left_out_unless_asked_for(self, version: Reviewed, tenant: Tenant) -> None:
        [first, *_] = version.items(version.review(flagged="all"))
        version.decide(tenant, first)
        assert [each["line"] for each in version.items(version.review(flagged="all"))] == [2, 5]
        again = version.review(flagged="all", skip_reviewed=False)
        assert [each["line"] for each in version.items(again)] == [4, 2, 5]

    def test_a_version_is_named_by_its_number_too(self, tenant: Tenant, version: Reviewed) -> None:
        url = f"/v1/datasets/{version.dataset_id}/versions/1/reviews"
        assert tenant.client.post(url, json={}).status_code == 200
        assert len(tenant.client.get(url).json()["data"]) == 1

    @pytest.mark.parametrize("body", [
        {"flagged": -1}, {"flagged": "some"}, {"flagged": 10_001}, {"sampled": {"percent": 101}},
        {"sampled": {"percent": 0}}, {"sampled": {"percent": float("nan")}}, {"reviewers_per_item": 0},
        {"reviewers_per_item": 6}, {"name": "a\x00"}, {"instructions": "x" * 20_001}, {"seed": -1}, {"who": "me"}])
    def test_nonsense_is_refused(self, tenant: Tenant, version: Reviewed, body: dict[str, Any]) -> None:
        assert post(tenant, version.url, json.dumps(body)).status_code == 400


class TestItems:
    def test_they_are_filtered_and_paged(self, tenant: Tenant, version: Reviewed) -> None:
        review = version.review(flagged="all", sampled=7)
        version.decide(tenant, version.items(review)[0])
        assert [each["line"] for each in version.items(review, status="approved")] == [4]
        assert [each["line"] for each in version.items(review, flag="near_duplicate")] == [5]
        assert version.items(review, assignee="svc_acct_nobody") == []
        seen: list[int] = []
        after = None
        while True:
            page = tenant.client.get(f"{version.url}/{review['id']}/items",
                                     params={"limit": 4} | ({"after": after} if after else {})).json()
            seen += [each["line"] for each in page["data"]]
            after = page["last_id"]
            if not page["has_more"]:
                break
        assert seen == [4, 2, 5, 1, 3, 6, 7, 8, 9, 10]

    def test_lines_that_are_no_json_object_are_shown_as_text(self, tenant: Tenant) -> None:
        lines = [b"\xff\xfe{", b"[1]", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a":' * 300 + b"1" + b"}" * 300,
                 b'{"a": ' + b"9" * 5000 + b"}"]
        version = make_version(tenant, [Flag.INVALID] * len(lines), lines=lines)
        items = version.items(version.review(flagged="all"))
        assert [each["example"] for each in items] == [None] * len(lines)
        assert [each["text"][:1] for each in items] == ["\ufffd", "[", "{", "{", "{", "{"]

    def test_a_huge_line_shows_its_beginning(self, tenant: Tenant) -> None:
        huge = b'{"a": "' + b"x" * 5_000_000 + b'"}'
        version = make_version(tenant, [Flag.INVALID], lines=[huge])
        [item] = version.items(version.review(flagged="all"))
        assert (item["example"], len(item["text"]), item["bytes"]) == (None, 2000, len(huge))

    def test_items_outlive_the_bytes_of_their_file(self, version: Reviewed) -> None:
        review = version.review(flagged="all")
        storage().delete_prefix(f"projects/{version.tenant.project_id}/files")
        assert [(each["example"], each["text"]) for each in version.items(review)] == [(None, None)] * 3

    def test_one_can_be_looked_at(self, tenant: Tenant, version: Reviewed) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        answer = tenant.client.get(f"{version.url}/{item['review_id']}/items/{item['id']}")
        assert answer.json() == item


class TestAssign:
    def test_an_item_can_be_handed_to_a_colleague_and_back(self, tenant: Tenant, version: Reviewed) -> None:
        other = account_of(colleague(tenant))
        review = version.review(flagged="all")
        url = f"{version.url}/{review['id']}/items/{version.items(review)[0]['id']}/assign"
        assert tenant.client.post(url, json={"assignee": other}).json()["assignee"] == other
        assert [each["line"] for each in version.items(review, assignee=other)] == [4]
        assert tenant.client.post(url, json={"assignee": None}).json()["assignee"] is None

    def test_a_stranger_is_answered_like_nobody(self, tenant: Tenant, stranger: Tenant, version: Reviewed) -> None:
        review = version.review(flagged="all")
        url = f"{version.url}/{review['id']}/items/{version.items(review)[0]['id']}/assign"
        theirs, nobody = account_of(stranger), "svc_acct_nobody"
        refused, unknown = (tenant.client.post(url, json={"assignee": each}) for each in (theirs, nobody))
        assert error(refused) == (400, "unknown_reviewer", "assignee")
        assert refused.text.replace(theirs, nobody) == unknown.text


class TestClaim:
    def test_two_reviewers_get_different_items_and_each_the_same_again(self, tenant: Tenant,
                                                                       version: Reviewed) -> None:
        other = colleague(tenant)
        url = f"{version.url}/{version.review(flagged='all')['id']}/claim"
        mine, theirs = tenant.client.post(url).json(), other.client.post(url).json()
        assert (mine["item"]["line"], theirs["item"]["line"]) == (4, 2)
        assert mine["item"]["leased_to"] == account_of(tenant)
        assert mine["leased_until"] == mine["item"]["leased_until"] > 0
        assert tenant.client.post(url).json()["item"]["line"] == 4

    def test_a_decision_frees_the_way_to_the_next(self, tenant: Tenant, version: Reviewed) -> None:
        url = f"{version.url}/{version.review(flagged='all')['id']}/claim"
        lines = []
        while (item := tenant.client.post(url).json()["item"]) is not None:
            lines.append(item["line"])
            version.decide(tenant, item)
        assert lines == [4, 2, 5]

    def test_ones_own_items_come_first_and_others_are_not_given_away(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        review = version.review(flagged="all")
        last, first = version.items(review)[2], version.items(review)[0]
        for item, who in ((last, tenant), (first, other)):
            tenant.client.post(f"{version.url}/{review['id']}/items/{item['id']}/assign",
                               json={"assignee": account_of(who)})
        assert tenant.client.post(f"{version.url}/{review['id']}/claim").json()["item"]["line"] == 5
        version.decide(tenant, last)
        assert tenant.client.post(f"{version.url}/{review['id']}/claim").json()["item"]["line"] == 2

    def test_what_needs_a_second_reviewer_is_open_to_all_once_its_own_has_decided(self, tenant: Tenant,
                                                                                version: Reviewed) -> None:
        other = colleague(tenant)
        review = version.review(flagged=1, reviewers_per_item=2)
        [item] = version.items(review)
        tenant.client.post(f"{version.url}/{review['id']}/items/{item['id']}/assign",
                           json={"assignee": account_of(tenant)})
        assert other.client.post(f"{version.url}/{review['id']}/claim").json()["item"] is None
        version.decide(tenant, item)
        assert other.client.post(f"{version.url}/{review['id']}/claim").json()["item"]["line"] == 4

    def test_a_lease_that_ran_out_is_nobodys(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        url = f"{version.url}/{version.review(flagged=1)['id']}/claim"
        assert tenant.client.post(url).json()["item"]["line"] == 4
        assert other.client.post(url).json()["item"] is None
        with transaction(tenant.scope) as session:
            session.execute(text("update review_items set leased_until = now() - interval '1 second'"
                                 " where leased_to is not null"))
        assert other.client.post(url).json()["item"]["line"] == 4

    def test_two_keys_of_one_account_are_one_person(self, tenant: Tenant, version: Reviewed) -> None:
        """Otherwise one person could count as two reviewers."""
        review = version.review(flagged=1, reviewers_per_item=2)
        twin = second_key(tenant)
        [item] = version.items(review)
        version.decide(tenant, item)
        decided = version.decide(twin, item, "reject")
        assert (decided["status"], [each["current"] for each in decided["decisions"]]) == ("open", [False, True])


def second_key(tenant: Tenant) -> Tenant:
    """Another key of the tenant's service account."""
    with transaction(tenant.scope) as session:
        account = queries.service_account(session, tenant.project_id, account_of(tenant))
        _, key = tenants.create_account_key(session, account, "second")
    return Tenant(tenant.organization_id, tenant.project_id, tenant.slug, key, client_with(tenant.client, key))


class TestDecide:
    def test_one_decision_settles_an_item(self, tenant: Tenant, version: Reviewed) -> None:
        review = version.review(flagged="all")
        one, two, three = version.items(review)
        assert version.decide(tenant, one)["status"] == "approved"
        assert version.decide(tenant, two, "reject", comment="A refusal.")["status"] == "rejected"
        assert version.decide(tenant, three, "edit", example=example(99))["status"] == "edited"
        found = tenant.client.get(f"{version.url}/{review['id']}").json()["progress"]
        assert found == {"items": 3, "decided": 3, "approved": 1, "rejected": 1, "edited": 1, "conflicts": 0,
                         "open": 0, "coverage_percent": 30.0, "agreement": None}

    def test_a_later_decision_replaces_an_earlier_one_which_stays_on_record(self, tenant: Tenant,
                                                                            version: Reviewed) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        version.decide(tenant, item, "reject", comment="No.")
        decided = version.decide(tenant, item, "approve")
        assert decided["status"] == "approved"
        assert [(each["decision"], each["comment"], each["current"]) for each in decided["decisions"]] == \
            [("reject", "No.", False), ("approve", None, True)]

    def test_what_was_decided_cannot_be_rewritten_in_the_database_either(self, tenant: Tenant) -> None:
        with transaction(tenant.scope) as session:
            for table in ("review_decisions", "review_comments"):
                for right in ("update", "delete"):
                    assert not session.execute(text("select has_table_privilege(:table, :right)"),
                                               {"table": table, "right": right}).scalar_one()

    def test_two_who_disagree_are_in_conflict_until_one_gives_way(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        review = version.review(flagged="all", reviewers_per_item=2)
        [item, *_] = version.items(review)
        assert version.decide(tenant, item, "approve")["status"] == "open"
        assert version.decide(other, item, "reject")["status"] == "conflict"
        assert [each["line"] for each in version.items(review, status="conflict")] == [4]
        assert version.decide(other, item, "approve")["status"] == "approved"

    def test_different_edits_are_in_conflict(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        [item, *_] = version.items(version.review(flagged="all", reviewers_per_item=2))
        version.decide(tenant, item, "edit", example=example(50))
        assert version.decide(other, item, "edit", example=example(51))["status"] == "conflict"
        assert version.decide(other, item, "edit", example=example(50))["status"] == "edited"

    def test_agreement_is_measured_over_shared_items(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        review = version.review(flagged="all", sampled=7, reviewers_per_item=2)
        for number, item in enumerate(version.items(review)[:5]):
            version.decide(tenant, item, "approve")
            version.decide(other, item, "reject" if number == 0 else "approve")
        version.decide(tenant, version.items(review)[5], "reject")
        found = tenant.client.get(f"{version.url}/{review['id']}").json()["progress"]["agreement"]
        assert (found["items"], found["percent"], found["krippendorff_alpha"]) == (5, 80.0, 0.0)
        assert tenant.client.get(version.url).json()["data"][0]["progress"]["agreement"] == found

    @pytest.mark.parametrize(("edit", "param"), [
        ({}, "example.messages"), ({"messages": []}, "example.messages"), (example(1) | {"x": 1}, "example.x"),
        ({"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "a"}]},
         "example.messages[0].content"),
        ({"messages": [{"role": "alien", "content": "a"}]}, "example.messages[0].role")])
    def test_an_edit_that_is_no_valid_example_is_refused_as_validation_would(
            self, tenant: Tenant, version: Reviewed, edit: dict[str, Any], param: str) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        answer = post(tenant, f"{version.url}/{item['review_id']}/items/{item['id']}/decisions",
                      json.dumps({"decision": "edit", "example": edit}))
        assert error(answer)[:2] == (400, "invalid_example")
        assert param in {error(answer)[2], "example.messages"}
        assert version.items({"id": item["review_id"]})[0]["decisions"] == []

    @pytest.mark.parametrize("content", [
        b'{"decision": "edit", "example": {"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"decision": "edit", "example": {"messages": ' + b"[" * 700 + b"]" * 700 + b"}}",
        b'{"decision": "edit", "example": {"messages": NaN}}', b'{"decision": "edit", "example": {"a": 1e999}}',
        b'{"decision": "edit", "example": {"a": ' + b"9" * 5000 + b"}}", b'{"decision": "edit"}',
        b'{"decision": "approve", "example": {}}', b'{"decision": "edit", "example": []}',
        b'{"decision": "approve", "comment": "a\\u0000b"}', b'{"decision": "approve", "comment": ""}',
        b'{"decision": "approve", "comment": "' + b"x" * 10_001 + b'"}', b'{"decision": "maybe"}'])
    def test_hostile_bodies_are_refused(self, tenant: Tenant, version: Reviewed, content: bytes) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        answer = post(tenant, f"{version.url}/{item['review_id']}/items/{item['id']}/decisions", content)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]

    def test_an_edit_that_is_too_large_is_refused(self, tenant: Tenant, version: Reviewed) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        huge = {"messages": [{"role": "user", "content": "x" * (settings().max_body_bytes + 1)},
                             {"role": "assistant", "content": "y"}]}
        answer = tenant.client.post(f"{version.url}/{item['review_id']}/items/{item['id']}/decisions",
                                    json={"decision": "edit", "example": huge})
        assert answer.status_code == 413

    def test_a_nul_that_validation_lets_pass_is_kept(self, tenant: Tenant, version: Reviewed) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        assert version.decide(tenant, item, "edit", example=NUL_EDIT)["decisions"][0]["example"] == NUL_EDIT


class TestComment:
    def test_comments_stand_with_their_author(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        [item, *_] = version.items(version.review(flagged="all"))
        url = f"{version.url}/{item['review_id']}/items/{item['id']}/comments"
        tenant.client.post(url, json={"text": "Is that so?"})
        shown = other.client.post(url, json={"text": "It is. 💩"}).json()
        assert [(each["actor"], each["text"]) for each in shown["comments"]] == \
            [(account_of(tenant), "Is that so?"), (account_of(other), "It is. 💩")]

    @pytest.mark.parametrize("said", ["", "a\x00", "x" * 10_001, None, 5])
    def test_nonsense_is_refused(self, tenant: Tenant, version: Reviewed, said: Any) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        url = f"{version.url}/{item['review_id']}/items/{item['id']}/comments"
        assert tenant.client.post(url, json={"text": said}).status_code == 400

    def test_only_the_newest_hundred_are_shown(self, tenant: Tenant, version: Reviewed) -> None:
        [item, *_] = version.items(version.review(flagged="all"))
        with transaction(tenant.scope) as session:
            session.execute(text("insert into review_comments (id, project_id, item_id, actor, text) select"
                                 " 'rcom_' || n, :project, :item, 'a', n::text from generate_series(1, 150) n"),
                            {"project": tenant.project_id, "item": item["id"]})
        [shown, *_] = version.items({"id": item["review_id"]})
        assert [each["text"] for each in shown["comments"]] == [str(number) for number in range(51, 151)]


class TestClose:
    def test_it_is_a_word_on_the_version(self, tenant: Tenant, version: Reviewed) -> None:
        review = version.review(flagged=1)
        answer = tenant.client.post(f"{version.url}/{review['id']}/close", json={"approve": True, "comment": "Good."})
        closed = answer.json()
        assert (closed["status"], closed["approved"], closed["closed_by"], closed["closing_comment"]) == \
            ("closed", True, account_of(tenant), "Good.")
        assert closed["closed_at"] > 0

    def test_nothing_is_decided_afterwards(self, tenant: Tenant, version: Reviewed) -> None:
        review = version.review(flagged="all")
        [item, *_] = version.items(review)
        version.close(tenant, review)
        for path, body in ((f"items/{item['id']}/decisions", {"decision": "approve"}), ("claim", None),
                           ("close", {"approve": False}), (f"items/{item['id']}/assign", {"assignee": None})):
            answer = tenant.client.post(f"{version.url}/{review['id']}/{path}", json=body)
            assert error(answer) == (400, "review_not_open", "review_id"), path

    def test_conflicts_are_settled_before_approval(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        review = version.review(flagged=1)
        [item] = version.items(review)
        version.decide(tenant, item, "approve")
        version.decide(other, item, "reject")
        answer = tenant.client.post(f"{version.url}/{review['id']}/close", json={"approve": True})
        assert error(answer) == (400, "review_has_conflicts", "review_id")
        assert version.close(tenant, review, approve=False)["approved"] is False

    def test_a_review_that_is_prepared_is_not_closed(self, tenant: Tenant, version: Reviewed) -> None:
        review = tenant.client.post(version.url, json={}).json()
        answer = tenant.client.post(f"{version.url}/{review['id']}/close", json={"approve": True})
        assert error(answer) == (400, "review_not_open", "review_id")

    def test_the_newest_word_counts(self, tenant: Tenant, version: Reviewed) -> None:
        other = colleague(tenant)
        one, two, three = (version.review(flagged=1) for _ in range(3))

        def approved_by() -> tuple[set[str], str | None]:
            with transaction(tenant.scope) as session:
                found = coverage(session, version.version_id)
                return set(found.approved_by), found.refused_by

        assert approved_by() == (set(), None)
        version.close(tenant, one)
        assert approved_by() == ({account_of(tenant)}, None)
        version.close(other, two, approve=False)
        assert approved_by() == (set(), account_of(other))
        version.close(other, three)
        assert approved_by() == ({account_of(other)}, None)


class TestApply:
    """The new version that a closed review makes; built by a worker as versions are."""

    def reviewed(self, tenant: Tenant) -> tuple[Reviewed, dict[str, Any]]:
        version = make_version(tenant, [Flag.SECRET] * 3 + [0] * 3)
        review = version.review(flagged="all")
        one, two, three = version.items(review)
        version.decide(tenant, one, "reject")
        version.decide(tenant, two, "edit", example=example(99))
        version.decide(tenant, three, "approve")
        return version, review

    def test_rejected_lines_are_dropped_and_edited_ones_replaced(self, tenant: Tenant) -> None:
        version, review = self.reviewed(tenant)
        version.close(tenant, review)
        made = tenant.client.post(f"{version.url}/{review['id']}/apply", json={}).json()
        assert (made["object"], made["status"], made["created_by"]) == \
            ("dataset.version", "building", account_of(tenant))
        work_off(tenant)
        ready = tenant.client.get(f"/v1/datasets/{version.dataset_id}/versions/{made['id']}").json()
        assert (ready["status"], ready["examples"], ready["error"]) == ("ready", 5, None)
        content = tenant.client.get(f"/v1/files/{ready['file_id']}/content").text
        assert [json.loads(line) for line in content.splitlines()] == \
            [example(99), example(3), example(4), example(5), example(6)]
        with transaction(tenant.scope) as session:
            found = coverage(session, made["id"])
        assert (found.reviewed, found.total) == (2, 5)

    def test_an_open_review_is_not_applied(self, tenant: Tenant) -> None:
        version, review = self.reviewed(tenant)
        answer = tenant.client.post(f"{version.url}/{review['id']}/apply", json={})
        assert error(answer) == (400, "review_not_closed", "review_id")

    def test_a_review_that_changes_nothing_makes_no_version(self, tenant: Tenant, version: Reviewed) -> None:
        review = version.review(flagged=1)
        version.decide(tenant, version.items(review)[0])
        version.close(tenant, review)
        answer = tenant.client.post(f"{version.url}/{review['id']}/apply", json={})
        assert error(answer) == (400, "nothing_to_apply", "review_id")

    def test_conflicts_are_refused_kept_or_dropped(self, tenant: Tenant) -> None:
        version, review = self.reviewed(tenant)
        version.decide(colleague(tenant), version.items(review)[2], "reject")
        version.close(tenant, review, approve=False)
        url = f"{version.url}/{review['id']}/apply"
        assert error(tenant.client.post(url, json={})) == (400, "review_has_conflicts", "review_id")
        kept, dropped = (tenant.client.post(url, json={"conflicts": each}).json()["id"] for each in ("keep", "drop"))
        work_off(tenant)
        examples = [tenant.client.get(f"/v1/datasets/{version.dataset_id}/versions/{each}").json()["examples"]
                    for each in (kept, dropped)]
        assert examples == [5, 4]

    def test_nobody_but_a_review_can_ask_for_it(self, tenant: Tenant) -> None:
        """Otherwise what was decided about one version could be counted for another."""
        version, review = self.reviewed(tenant)
        version.close(tenant, review)
        answer = tenant.client.post(f"/v1/datasets/{version.dataset_id}/versions", json={"source": {
            "type": "transformation", "versions": [version.version_id],
            "transformation": {"type": "apply_review", "review_id": review["id"], "conflicts": "keep"}}})
        assert answer.status_code == 400

    def test_erasing_a_version_erases_what_reviewers_wrote(self, tenant: Tenant) -> None:
        version, review = self.reviewed(tenant)
        answer = tenant.client.delete(f"/v1/datasets/{version.dataset_id}/versions/{version.version_id}",
                                      params={"erase": "true"})
        assert answer.status_code == 200, answer.text
        assert tenant.client.get(f"{version.url}/{review['id']}").status_code == 404
        with transaction(tenant.scope) as session:
            for table in ("reviews", "review_items", "review_decisions"):
                assert session.execute(text(f"select count(*) from {table}")).scalar_one() == 0
