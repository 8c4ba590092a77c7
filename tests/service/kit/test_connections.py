"""Names are resolved in threads of their own: a silent one keeps no other waiting, and takes no more than one."""

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service.kit import connections
from service.kit.addresses import ForbiddenAddress
from service.kit.connections import CheckedResolver
from tests.fixtures.sockets import ScriptedNames


class SilentNames(ScriptedNames):
    """A world in which the servers of silent.test do not answer until the test is over."""

    def __init__(self) -> None:
        super().__init__({"public.test": ("93.184.216.34", "2606:4700::1111"), "mixed.test": ("1.1.1.1", "10.0.0.1"),
                          "many.test": tuple(f"93.184.216.{last}" for last in range(1, 60))})
        self.over = threading.Event()

    def getaddrinfo(self, host: Any, port: Any, *rest: Any, **named: Any) -> list[tuple[Any, ...]]:
        if str(host).endswith("silent.test"):
            self.asked.append(host)
            self.over.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return super().getaddrinfo(host, port, *rest, **named)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentNames]:
    scripted = SilentNames()
    monkeypatch.setattr(socket, "getaddrinfo", scripted.getaddrinfo)
    monkeypatch.setattr(connections, "_RESOLVE_SECONDS", 0.2)
    yield scripted
    scripted.over.set()


async def found(resolver: CheckedResolver, name: str) -> list[str]:
    return [each["host"] for each in await resolver.resolve(name, 443)]


def test_all_addresses_of_a_name_are_found(names: SilentNames) -> None:
    assert asyncio.run(found(CheckedResolver(), "public.test")) == ["93.184.216.34", "2606:4700::1111"]
    assert len(asyncio.run(found(CheckedResolver(), "many.test"))) == 16


def test_one_address_that_is_not_public_spoils_the_name(names: SilentNames) -> None:
    with pytest.raises(ForbiddenAddress):
        asyncio.run(found(CheckedResolver(), "mixed.test"))


def test_a_silent_name_takes_one_thread_however_often_it_is_asked_for(names: SilentNames) -> None:
    async def ask() -> list[Any]:
        resolver = CheckedResolver()
        asked = [found(resolver, "silent.test") for _ in range(300)]
        try:
            return await asyncio.gather(*asked, found(resolver, "public.test"), return_exceptions=True)
        finally:
            await resolver.close()
    *silent, public = asyncio.run(ask())
    assert public == ["93.184.216.34", "2606:4700::1111"]
    assert {each.errno for each in silent} == {errno.ETIMEDOUT}
    assert names.asked.count("silent.test") == 1


def test_as_many_silent_names_as_a_project_has_endpoints_keep_no_other_name_waiting(names: SilentNames) -> None:
    async def ask() -> Any:
        resolver = CheckedResolver()
        silent = [asyncio.create_task(found(resolver, f"{number}.silent.test")) for number in range(200)]
        try:
            await asyncio.wait(silent)  # nobody waits for them any more; their threads still do
            return await found(resolver, "public.test")
        finally:
            await resolver.close()
    assert asyncio.run(ask()) == ["93.184.216.34", "2606:4700::1111"]


def test_names_that_ask_at_once_share_an_answer_and_the_next_asks_anew(names: SilentNames) -> None:
    async def ask() -> list[list[str]]:
        resolver = CheckedResolver()
        together = await asyncio.gather(*(found(resolver, "public.test") for _ in range(5)))
        return [*together, await found(resolver, "public.test")]
    assert len(asyncio.run(ask())) == 6
    assert names.asked.count("public.test") == 2
