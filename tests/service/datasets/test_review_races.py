"""Reviewers at the same moment: claims, decisions, and a close among them, with real transactions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from sqlalchemy import text

from service.datasets.analysis.batches import Flag
from service.datasets.operations import deciding
from service.datasets.operations.deciding import Place
from service.datasets.schemas.reviews import Decide
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.reviewing import Reviewed, account_of, colleague, make_version


@pytest.fixture
def version(tenant: Tenant) -> Reviewed:
    return make_version(tenant, [Flag.SECRET] * 12)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_claims_at_once_never_give_the_same_item_twice(tenant: Tenant, version: Reviewed) -> None:
    place = Place(version.dataset_id, version.version_id, version.review(flagged="all")["id"])

    def claim(who: str) -> Callable[[], str]:
        def act() -> str:
            with transaction(tenant.scope) as session:
                return deciding.claim(session, place, by=who).items[0].id
        return act

    for round_ in range(2):
        given = at_once(*[claim(f"reviewer-{round_}-{number}") for number in range(6)])
        assert len(set(given)) == 6


def test_a_claim_passes_over_what_is_being_given_to_another(tenant: Tenant, version: Reviewed) -> None:
    place = Place(version.dataset_id, version.version_id, version.review(flagged="all")["id"])
    with transaction(tenant.scope) as first, transaction(tenant.scope) as second:
        mine = deciding.claim(first, place, by="me").items[0]
        theirs = deciding.claim(second, place, by="them").items[0]
        assert (mine.line, theirs.line) == (1, 2)


def test_decisions_at_once_are_all_counted(tenant: Tenant, version: Reviewed) -> None:
    """Whoever counts last sees what the others decided: two who disagree cannot both leave an approved item."""
    review = version.review(flagged="all", reviewers_per_item=2)
    place = Place(version.dataset_id, version.version_id, review["id"])
    for item in version.items(review)[:6]:
        def act(who: str, what: Any, item_id: str = item["id"]) -> Callable[[], None]:
            def decide() -> None:
                with transaction(tenant.scope) as session:
                    deciding.decide(session, place, item_id, Decide(decision=what), by=who)
            return decide
        at_once(act("one", "approve"), act("two", "reject"))
    assert [each["status"] for each in version.items(review)[:6]] == ["conflict"] * 6


def test_a_close_waits_for_a_decision_that_is_being_made(tenant: Tenant, version: Reviewed) -> None:
    other = colleague(tenant)
    review = version.review(flagged="all")
    place = Place(version.dataset_id, version.version_id, review["id"])
    [item, *_] = version.items(review)
    closed, answers = Event(), list[Any]()

    def close() -> None:
        answers.append(other.client.post(f"{version.url}/{review['id']}/close", json={"approve": True}).json())
        closed.set()

    thread = Thread(target=close)
    with transaction(tenant.scope) as session:
        deciding.decide(session, place, item["id"], Decide(decision="reject"), by=account_of(tenant))
        thread.start()
        assert not closed.wait(0.5)
    thread.join()
    assert answers[0]["status"] == "closed"
    assert answers[0]["progress"]["rejected"] == 1


def test_of_two_who_close_at_once_one_has_the_word(tenant: Tenant, version: Reviewed) -> None:
    other = colleague(tenant)
    url = f"{version.url}/{version.review(flagged=1)['id']}/close"
    codes = at_once(lambda: tenant.client.post(url, json={"approve": True}).status_code,
                    lambda: other.client.post(url, json={"approve": False}).status_code)
    assert sorted(codes) == [200, 400]


def test_decisions_while_it_is_closed_stand_or_are_refused(tenant: Tenant, version: Reviewed) -> None:
    """Never is a decision recorded in a review that was closed before it."""
    other = colleague(tenant)
    review = version.review(flagged="all")
    items = version.items(review)
    acts = [lambda item=item: tenant.client.post(
        f"{version.url}/{review['id']}/items/{item['id']}/decisions", json={"decision": "reject"}).status_code
        for item in items[:5]]
    closed, *codes = at_once(lambda: version.close(other, review, approve=False), *acts)
    assert set(codes) <= {200, 400}
    assert closed["progress"]["rejected"] == codes.count(200)
    with transaction(tenant.scope) as session:
        assert session.execute(text("select count(*) from review_decisions")).scalar_one() == codes.count(200)
