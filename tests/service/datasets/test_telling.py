"""Others are told in figures how files, versions and reviews stand, once of each, and nothing of what they hold."""

from typing import Any

from sqlalchemy import select

from service.datasets.analysis.batches import Flag
from service.datasets.operations import readings
from service.events.tables import Event
from service.events.types import DESCRIPTIONS, EventType
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.making import ask, built, chats, dataset, get, upload, work
from tests.service.datasets.reviewing import make_version
from tests.worker.tasks.running import work_off

OF_FILES = {"object", "bytes", "created_at", "expires_at", "filename", "purpose", "status"}


def told(tenant: Tenant) -> list[Event]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(Event).order_by(Event.position)))


def fields(type_: EventType) -> set[str]:
    return {"id", *DESCRIPTIONS[type_].data}


class TestFiles:
    def test_a_file_that_was_read_is_told_with_its_verdict(self, tenant: Tenant) -> None:
        file_id = upload(tenant, chats(20))
        assert told(tenant) == []
        work(tenant)
        [event] = told(tenant)
        assert (event.type, event.subject, event.sequence) == ("file.validated", file_id, 1)
        assert set(event.data) == fields(EventType.FILE_VALIDATED) | OF_FILES
        shown = tenant.client.get(f"/v1/files/{file_id}/validation").json()
        assert {name: event.data[name] for name in ("verdict", "format", "score", "lines", "examples", "errors",
                                                    "warnings")} == {
            name: shown[name] for name in ("verdict", "format", "score", "lines", "examples", "errors", "warnings")}
        assert (event.data["status"], event.data["examples"], event.data["format"]) == ("processed", 20, "chat")

    def test_what_it_holds_stays_out_of_it(self, tenant: Tenant) -> None:
        wrong = b'{"messages": [{"role": "my secret", "content": "my secret"}]}\n'
        file_id = upload(tenant, wrong + chats(20))
        work(tenant)
        [event] = told(tenant)
        assert (event.data["status"], event.data["verdict"]) == ("error", "block")
        assert event.data["errors"] > 0
        assert "my secret" in str(tenant.client.get(f"/v1/files/{file_id}/validation/findings").json())
        assert "my secret" not in str(event.data)

    def test_files_that_are_not_read_tell_nothing(self, tenant: Tenant) -> None:
        upload(tenant, chats(20), purpose="user_data")
        work(tenant)
        assert told(tenant) == []

    def test_a_file_that_cannot_be_read_is_told_once_whoever_says_so(self, tenant: Tenant) -> None:
        file_id = upload(tenant, chats(20))
        for _ in range(2):
            with transaction(tenant.scope) as session:
                readings.fail(session, file_id, "Its bytes are gone.")
        [event] = told(tenant)
        assert (event.data["status"], event.data["verdict"], event.data["errors"]) == ("error", None, None)

    def test_one_that_was_deleted_meanwhile_tells_nothing(self, tenant: Tenant) -> None:
        file_id = upload(tenant, chats(20))
        assert tenant.client.delete(f"/v1/files/{file_id}").status_code == 200
        with transaction(tenant.scope) as session:
            readings.fail(session, file_id, "Its bytes are gone.")
        work(tenant)
        assert told(tenant) == []


class TestVersions:
    def test_a_version_is_told_after_its_file(self, tenant: Tenant) -> None:
        dataset_id = dataset(tenant, "tickets")
        version = built(tenant, dataset_id, chats(20))
        events = [event for event in told(tenant) if event.data.get("file_id") or event.subject == version["file_id"]]
        assert [event.type for event in events] == ["file.validated", "dataset.version.validated"]
        event = events[1]
        assert event.subject == version["id"]
        assert set(event.data) == fields(EventType.DATASET_VALIDATED)
        assert event.data.items() >= {"name": "tickets", "number": 1, "dataset_id": dataset_id, "status": "ready",
                                      "file_id": version["file_id"], "examples": 20, "errors": 0}.items()

    def test_one_that_cannot_be_built_is_told_too(self, tenant: Tenant) -> None:
        dataset_id = dataset(tenant)
        file_id = upload(tenant, chats(20))
        version = ask(tenant, dataset_id, {"type": "file", "file_id": file_id}).json()
        assert tenant.client.delete(f"/v1/files/{file_id}").status_code == 200
        work(tenant)
        assert get(tenant, dataset_id, version["id"])["status"] == "failed"
        [event] = [event for event in told(tenant) if event.type == EventType.DATASET_VALIDATED]
        assert set(event.data) == fields(EventType.DATASET_VALIDATED)
        assert (event.subject, event.data["status"], event.data["verdict"], event.data["file_id"]) == (
            version["id"], "failed", None, None)


class TestReviews:
    def test_a_review_is_told_when_it_waits_for_people_and_when_it_is_closed(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] * 3)
        review = version.review(name="first look", flagged="all", instructions="my secret")
        [needed] = told(tenant)
        assert (needed.type, needed.subject) == ("review.needed", review["id"])
        assert set(needed.data) == fields(EventType.REVIEW_NEEDED)
        assert needed.data.items() >= {"name": "first look", "items": 3, "version_id": version.version_id,
                                       "dataset_id": version.dataset_id, "status": "open", "version": 1}.items()
        for item in version.items(review)[:2]:
            version.decide(tenant, item)
        version.close(tenant, review, approve=False)
        [_, closed] = told(tenant)
        assert set(closed.data) == fields(EventType.REVIEW_DONE)
        assert (closed.type, closed.sequence, closed.data["status"]) == ("review.completed", 2, "closed")
        assert (closed.data["decided"], closed.data["items"], closed.data["approved"]) == (2, 3, False)
        assert "my secret" not in str([event.data for event in told(tenant)])

    def test_one_that_could_not_be_prepared_waits_for_nobody(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] * 3, analysed=False)
        answer: Any = tenant.client.post(version.url, json={"flagged": "all"})
        work_off(tenant)
        assert tenant.client.get(f"{version.url}/{answer.json()['id']}").json()["status"] == "failed"
        assert told(tenant) == []

    def test_closing_it_twice_is_told_once(self, tenant: Tenant) -> None:
        version = make_version(tenant, [Flag.SECRET] * 3)
        review = version.review(flagged="all")
        version.close(tenant, review)
        assert tenant.client.post(f"{version.url}/{review['id']}/close", json={"approve": True}).status_code != 200
        assert [event.type for event in told(tenant)] == ["review.needed", "review.completed"]
