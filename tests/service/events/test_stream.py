"""The project's events as they happen: none missed, none twice, whatever commits late, breaks off or is slow."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from service.events import operations
from service.events.types import EventType
from service.kit.database import NOBODY, Scope, sqlalchemy_url, transaction
from service.kit.streams import answering, hub
from service.settings import settings
from service.tenants import operations as tenants
from tests.fixtures.sse import Stream, opened

PATH = "/v1/events/stream"


@pytest.fixture(autouse=True)
def long_streams(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_STREAM_SECONDS", "600")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


class Home:
    """A project at the live API."""

    def __init__(self, base_url: str, name: str) -> None:
        with transaction(NOBODY) as session:
            organization = tenants.bootstrap(session, "Test House")
            project = tenants.create_project(session, organization.id, name)
            account, _, self.key = tenants.create_service_account(session, project, f"{name}-bot")
            self.account_id = account.id
        self.base_url, self.project_id, self.scope = base_url, project.id, Scope.project(project.id)

    def tell(self, subject: str = "ftjob-1", type_: EventType = EventType.JOB_SUCCEEDED, **data: Any) -> str:
        with transaction(self.scope) as session:
            return operations.append(session, type_, subject, project_id=self.project_id, data=data).id

    def follow(self, **options: Any) -> Any:
        return opened(self.base_url, PATH, self.key, **options)

    def kept(self) -> list[str]:
        """Ids of all its events in the order of streams."""
        return self.kept_by("transaction_id, position")

    def kept_by(self, order: str) -> list[str]:
        with transaction(self.scope) as session:
            return list(session.scalars(text(f"select id from events order by {order}")))


@pytest.fixture
def home(live_api: str) -> Home:
    return Home(live_api, "Acme")


def ids(stream: Stream, number: int) -> list[str]:
    return [each.id for each in stream.take(number)]


def test_an_event_comes_as_the_list_shows_it(home: Home) -> None:
    home.tell("ftjob-0")
    with home.follow() as stream:
        headers = stream.answer.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        event_id = home.tell("ftjob-1", words="two\nlines")
        [received] = stream.take(1)
    assert (received.id, received.event) == (event_id, "fine_tuning.job.succeeded")
    assert (received.data["id"], received.data["object"], received.data["sequence"], received.data["data"]) == (
        event_id, "event", 1, {"id": "ftjob-1", "words": "two\nlines"})


def test_a_stream_begins_now_or_with_all_that_is_kept(home: Home) -> None:
    old = [home.tell(f"ftjob-{number}") for number in range(450)]
    with home.follow(begin="beginning") as stream:
        assert ids(stream, 450) == old
        new = home.tell()
        assert ids(stream, 1) == [new]


def test_who_comes_back_gets_what_came_meanwhile(home: Home) -> None:
    with home.follow() as stream:
        first = home.tell()
        assert ids(stream, 1) == [first]
    missed = [home.tell() for _ in range(3)]
    for options in ({"last_id": stream.last_id}, {"last_event_id": stream.last_id}):
        with home.follow(**options) as stream_again:
            assert ids(stream_again, 3) == missed
    with home.follow(last_id=missed[1], last_event_id=first) as later:
        assert ids(later, 1) == [missed[2]]


def test_who_got_nothing_yet_misses_nothing_either(home: Home) -> None:
    with home.follow() as stream:
        place = stream.last_id
    event_id = home.tell()
    with home.follow(last_id=place) as stream:
        assert ids(stream, 1) == [event_id]


def test_only_what_is_wanted_comes(home: Home) -> None:
    with home.follow(type=["file.*", "review.needed"]) as typed, home.follow(subject="ftjob-2") as named:
        home.tell("ftjob-1")
        checked = home.tell("file-1", EventType.FILE_VALIDATED)
        needed = home.tell("ftjob-2", EventType.REVIEW_NEEDED)
        assert ids(typed, 2) == [checked, needed]
        assert ids(named, 1) == [needed]


def test_a_project_hears_nothing_of_another(home: Home, live_api: str) -> None:
    other = Home(live_api, "Other")
    with other.follow() as stream:
        foreign = home.tell()
        own = other.tell()
        assert ids(stream, 1) == [own]
    refused = [stream_of(other, last_id=each) for each in (foreign, "evt_unknown")]
    assert [(status, body.replace(foreign, "evt_unknown")) for status, body in refused] == [refused[1]] * 2
    assert refused[1][0] == 400


def stream_of(home: Home, **options: Any) -> tuple[int, str]:
    with home.follow(**options) as stream:
        return stream.answer.status, stream.answer.read().decode()


@pytest.mark.parametrize("place", ["{at}_1", "{at}_1_x", "{at}_9999999999999999999_0", "{at}_1_9999999999999999999",
                                   "{at}_999999999999_0", "\x80", "x" * 257, "{at}_²_1", "evt_\x00", "at_1_0"])
def test_places_that_nobody_gave_are_refused(home: Home, place: str) -> None:
    with home.follow() as stream:
        at = stream.last_id.rsplit("_", 2)[0]
    assert stream_of(home, last_event_id=place.format(at=at))[0] == 400


def test_a_place_in_another_stream_is_none_in_this(home: Home, live_api: str) -> None:
    with Home(live_api, "Other").follow() as other, home.follow() as own:
        foreign, place = other.last_id, own.last_id
    status, body = stream_of(home, last_id=foreign)
    assert (status, json.loads(body)["error"]["code"]) == (400, "last_event_id_unknown")
    told = home.tell()
    with home.follow(last_id=place) as stream:
        assert ids(stream, 1) == [told]


def test_a_stream_that_would_never_end_with_anything_is_refused(home: Home) -> None:
    assert stream_of(home, until=1)[0] == 400


def test_a_row_that_commits_late_is_neither_lost_nor_overtaken(home: Home) -> None:
    with home.follow() as stream:
        with transaction(home.scope) as early:
            first = operations.append(early, EventType.JOB_FAILED, "ftjob-1", project_id=home.project_id).id
            second = home.tell("ftjob-2")
            with home.follow(last_id=stream.last_id, timeout=0.5) as another, pytest.raises(TimeoutError):
                another.take(1)
        assert ids(stream, 2) == [first, second]


def test_what_waits_for_a_transaction_without_events_comes_when_it_ends(home: Home) -> None:
    """Its end makes no notice of its own."""
    with home.follow() as stream:
        with transaction(home.scope) as idle:
            idle.execute(text("select pg_current_xact_id()"))
            event_id = home.tell()
        assert ids(stream, 1) == [event_id]


def write(home: Home, name: str, number: int, chance: random.Random) -> None:
    """One event each in transactions that stay open for a while, and of which some come to nothing."""
    for _ in range(number):
        with transaction(home.scope) as session:
            operations.append(session, EventType.JOB_SUCCEEDED, name, project_id=home.project_id)
            time.sleep(chance.random() * 0.02)
            if chance.random() < 0.2:
                session.rollback()


def follow(home: Home, place: str, found: list[str], patience: Callable[[], int]) -> None:
    """Append ids to `found` until one says that it is the last, over connections that get `patience()` events each."""
    while True:
        left = patience()
        with home.follow(last_id=place) as stream:
            for received in stream:
                found.append(received.id)
                left -= 1
                if received.data["data"].get("end"):
                    return
                if not left:
                    break
            place = stream.last_id


def test_no_gap_and_no_double_with_writers_that_overlap_and_clients_that_break_off(home: Home, seed: int) -> None:
    with home.follow() as stream:
        place = stream.last_id
    chance = random.Random(seed)
    steady: list[str] = []
    restless: list[str] = []
    followers = [threading.Thread(target=follow, args=(home, place, steady, lambda: 10**6)),
                 threading.Thread(target=follow, args=(home, place, restless, lambda: chance.randrange(1, 30)))]
    writers = [threading.Thread(target=write, args=(home, f"ftjob-{number}", 40, random.Random(f"{seed} {number}")))
               for number in range(6)]
    for thread in [*followers, *writers]:
        thread.start()
    for thread in writers:
        thread.join(60)
    home.tell(end=True)
    for thread in followers:
        thread.join(60)
        assert not thread.is_alive()
    kept = home.kept()
    assert len(kept) > 120, f"seed {seed}"
    assert kept != home.kept_by("position"), "nothing committed out of order, so that nothing is proved"
    assert steady == kept
    assert restless == kept


def test_a_slow_client_reads_at_its_own_pace_and_keeps_no_queue(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_QUEUE", 5)
    with home.follow() as stream, home.follow() as quick:
        told = []
        for _ in range(30):
            with transaction(home.scope) as session:
                told += [operations.append(session, EventType.JOB_SUCCEEDED, "ftjob-1", project_id=home.project_id,
                                           data={"long": "x" * 30_000}).id for _ in range(10)]
        assert ids(quick, 300) == told
        assert ids(stream, 300) == told


def test_a_client_that_takes_nothing_is_dropped(home: Home, live_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_STALLED_SECONDS", 0.3)
    monkeypatch.setenv("TUNEWORKS_STREAMS_PER_PROJECT", "1")
    settings.cache_clear()
    host, port = live_api.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(f"GET {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {home.key}\r\n\r\n".encode())
        assert stalled.recv(12) == b"HTTP/1.1 200"
        for _ in range(400):
            home.tell(long="x" * 30_000)
            if stream_of_one_more(home) == 200:
                return
    raise AssertionError("it was never dropped")


def stream_of_one_more(home: Home) -> int:
    with home.follow() as stream:
        status: int = stream.answer.status
    return status


def test_a_project_has_so_many_streams_and_no_more(home: Home, live_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_STREAMS_PER_PROJECT", "2")
    settings.cache_clear()
    other = Home(live_api, "Other")
    with ExitStack() as stack:
        streams = [stack.enter_context(home.follow()) for _ in range(2)]
        status, body = stream_of(home)
        assert (status, "too_many_streams" in body) == (429, True)
        assert stream_of_one_more(other) == 200
        assert len(streams) == 2
    deadline = time.monotonic() + 20
    while stream_of_one_more(home) != 200:
        assert time.monotonic() < deadline, "closed streams still count"


def test_a_quiet_stream_shows_that_it_lives_and_where_it_is(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "HEARTBEAT_SECONDS", 0.2)
    with home.follow(type="file.validated") as stream:
        began = stream.last_id
        home.tell()
        while stream.last_id == began or "still here" not in stream.comments:
            assert not stream.answer.readline().startswith(b"data")
            line = stream.answer.readline().decode().strip()
            stream.comments += ["still here"]
            if line.startswith("id: "):
                stream.last_id = line.removeprefix("id: ")
    checked = home.tell("file-1", EventType.FILE_VALIDATED)
    with home.follow(last_id=stream.last_id, type="file.validated") as stream:
        assert ids(stream, 1) == [checked]


def test_a_stream_ends_with_its_time_and_says_where_to_go_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_STREAM_SECONDS", "0.1")
    settings.cache_clear()
    told = home.tell()
    with home.follow(begin="beginning") as stream:
        assert [each.id for each in stream] == [told]
    assert stream.comments[-1].startswith("as long as streams last")
    missed = home.tell()
    with home.follow(last_id=stream.last_id) as stream:
        assert [each.id for each in stream] == [missed]


def test_a_revoked_key_ends_its_streams_and_no_others(home: Home, live_api: str,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_CHECK_SECONDS", 0.2)
    other = Home(live_api, "Other")
    with home.follow() as stream, other.follow() as staying:
        with transaction(Scope.organization(organization_of(home))) as session:
            tenants.delete_service_account(session, home.project_id, home.account_id, by="key_test")
        assert list(stream) == []
        assert stream.comments[-1] == "the key is no longer valid"
        told = other.tell()
        assert ids(staying, 1) == [told]


def organization_of(home: Home) -> str:
    with transaction(NOBODY) as session:
        return tenants.bootstrap(session, "Test House").id


def test_a_lost_connection_to_the_database_loses_no_event(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    owner = create_engine(sqlalchemy_url(settings().database_url.get_secret_value()))
    with home.follow() as stream:
        assert ids_after(stream, home)
        for _ in range(3):
            with owner.begin() as connection:
                connection.execute(text("select pg_terminate_backend(pid) from pg_stat_activity"
                                        " where application_name = 'tuneworks streams'"))
            assert ids_after(stream, home)
    owner.dispose()
    assert any("not listening" in record.message for record in caplog.records)


def ids_after(stream: Stream, home: Home) -> bool:
    told = home.tell()
    return ids(stream, 1) == [told]
