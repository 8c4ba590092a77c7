"""One sender process, until SIGTERM or SIGINT: `python -m worker.sender`, or `tuneworks sender`."""

import asyncio
import gc
import signal

import uvloop

from service.kit import logging as log_lines
from service.kit.lifeline import watch_parent
from service.settings import settings
from worker.sender.loop import Sender

_GARBAGE = 20_000
"""So many new objects are made before the young ones are looked through: a delivery makes hundreds, and few cycles."""


async def _run() -> None:
    sender = Sender()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sender.stop)
    await sender.run()


def main() -> None:
    log_lines.configure(settings().log_level)
    watch_parent()
    gc.freeze()  # what was imported is no garbage, and need not be looked through again and again
    gc.set_threshold(_GARBAGE)
    uvloop.run(_run())


if __name__ == "__main__":
    main()
