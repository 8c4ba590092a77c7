"""Webhooks leave the house for public addresses only: measured at the socket, over every form of deceit we know."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest
from aiohttp.abc import ResolveResult

from service.kit import addresses, connections
from service.kit.addresses import ForbiddenAddress, InvalidURL
from service.settings import settings
from service.webhooks.outcomes import ErrorClass
from service.webhooks.sending import Message, Transport, destinations
from tests.fixtures.sockets import ScriptedNames, dialled
from tests.service.webhooks.hostile_urls import ANSWERS, PUBLIC, URLS

CORPUS = (*URLS, *(f"https://{name}/hook" for name in ANSWERS))
REFUSALS = {ErrorClass.FORBIDDEN_ADDRESS, ErrorClass.INVALID_URL, ErrorClass.DNS}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedNames]:
    """A house in production, and a world whose names lead where the corpus says."""
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "false")
    settings.cache_clear()
    scripted = ScriptedNames(ANSWERS | PUBLIC)
    monkeypatch.setattr(socket, "getaddrinfo", scripted.getaddrinfo)
    yield scripted
    monkeypatch.undo()
    settings.cache_clear()


def classes(urls: Sequence[str]) -> list[ErrorClass | None]:
    """How an attempt at each of the URLs ended."""
    async def send() -> list[ErrorClass | None]:
        async with Transport() as transport:
            return [(await transport.send(Message(url, {}, b"{}"))).error_class for url in urls]
    return asyncio.run(send())


class TestNoWayIn:
    @pytest.mark.usefixtures("names")
    def test_no_url_of_the_corpus_leads_to_a_connection(self) -> None:
        assert len(set(CORPUS)) > 300
        with dialled() as seen:
            ended = classes(CORPUS)
        assert seen == []
        assert {url: found for url, found in zip(CORPUS, ended, strict=True) if found not in REFUSALS} == {}

    @pytest.mark.usefixtures("names")
    def test_names_that_lead_astray_are_refused_for_that(self) -> None:
        with dialled() as seen:
            assert set(classes([f"https://{name}/" for name in ANSWERS])) == {ErrorClass.FORBIDDEN_ADDRESS}
        assert seen == []

    @pytest.mark.usefixtures("names")
    def test_the_measure_sees_connections_to_public_addresses(self) -> None:
        with dialled() as seen:
            assert set(classes([f"https://{name}/" for name in PUBLIC])) == {ErrorClass.CONNECT}
        assert seen == [found for [found] in PUBLIC.values()]

    @pytest.mark.usefixtures("names")
    def test_without_the_wall_the_same_corpus_leads_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(addresses, "is_forbidden", lambda _: False)
        with dialled() as seen:
            classes(CORPUS)
        assert {"127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"} <= set(seen)

    @pytest.mark.usefixtures("names")
    def test_none_of_them_can_be_registered(self) -> None:
        taken = []
        for url in CORPUS:
            try:
                asyncio.run(connections.check_early(url, destinations()))
            except (InvalidURL, ForbiddenAddress):
                continue
            taken.append(url)
        assert [url for url in taken if not _unknown_name(url)] == []


def _unknown_name(url: str) -> bool:
    """Whether the resolver knows nothing of it: such names may be registered, and every attempt looks again."""
    parsed = destinations().check_url(url)
    return parsed.raw_host not in ANSWERS


class TestRebinding:
    def test_a_name_that_was_public_at_registration_is_refused_at_the_attempt(self, names: ScriptedNames) -> None:
        asyncio.run(connections.check_early("https://public.test/", destinations()))
        names.answers["public.test"] = ("169.254.169.254",)
        with dialled() as seen:
            assert classes(["https://public.test/"]) == [ErrorClass.FORBIDDEN_ADDRESS]
        assert seen == []

    def test_an_attempt_asks_once_and_dials_what_was_answered(self, names: ScriptedNames) -> None:
        class Turning(dict[str, tuple[str, ...]]):
            def get(self, name: str, default: object = None) -> tuple[str, ...]:  # what is used
                return ("93.184.216.34",) if names.asked.count(name) == 1 else ("127.0.0.1",)
        names.answers = Turning()
        with dialled() as seen:
            assert classes(["https://turning.test/"]) == [ErrorClass.CONNECT]
        assert names.asked == ["turning.test"]
        assert seen == ["93.184.216.34"]

    def test_every_attempt_asks_again(self, names: ScriptedNames) -> None:
        with dialled():
            classes(["https://public.test/"] * 3)
        assert names.asked == ["public.test"] * 3

    @pytest.mark.usefixtures("names")
    def test_the_socket_is_a_gate_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def deceived(*_: object, **__: object) -> list[ResolveResult]:
            return [ResolveResult(hostname="public.test", host="127.0.0.1", port=443, family=socket.AF_INET, proto=0,
                                  flags=socket.AI_NUMERICHOST)]
        monkeypatch.setattr(connections.CheckedResolver, "resolve", deceived)
        with dialled() as seen:
            assert classes(["https://public.test/"]) == [ErrorClass.FORBIDDEN_ADDRESS]
        assert seen == []
