"""One sender process, until SIGTERM or SIGINT: `python -m worker.sender`, or `tuneworks sender`."""

import asyncio
import signal

import uvloop

from service.kit import logging as log_lines
from service.kit.lifeline import watch_parent
from service.settings import settings
from worker.sender.loop import Sender


async def _run() -> None:
    sender = Sender()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sender.stop)
    await sender.run()


def main() -> None:
    log_lines.configure(settings().log_level)
    watch_parent()
    uvloop.run(_run())


if __name__ == "__main__":
    main()
