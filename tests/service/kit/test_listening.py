"""Whoever listens leaves no connection behind."""

import asyncio

import pytest

from service.kit.listening import listening


@pytest.mark.usefixtures("house")
def test_a_connection_that_cannot_listen_is_closed() -> None:
    """One that is left open makes a warning, which is an error here."""
    missed: list[None] = []

    async def run() -> None:
        async with listening([""], name="tuneworks test", hear=lambda *_: None, missed=lambda: missed.append(None)):
            await asyncio.sleep(0.5)

    asyncio.run(run())
    assert missed == []
