"""Ends streams as soon as the server is asked to stop: it waits for open answers, and streams would never end."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

from service.kit.streams.hub import Hub

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_with_server(hub: Hub) -> None:
    """Hear the signals that the server hears, before it does. Within the event loop of a process of its own.

    A server in a thread gets no signals; its streams end when it gives up waiting for them.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        _before(number, lambda: loop.call_soon_threadsafe(hub.stop))


def _before(number: signal.Signals, act: Callable[[], object]) -> None:
    server = signal.getsignal(number)
    if not callable(server):
        return

    def both(received: int, where: FrameType | None) -> None:
        act()
        server(received, where)

    signal.signal(number, both)
