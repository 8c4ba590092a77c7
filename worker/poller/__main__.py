"""One poller process, until SIGTERM or SIGINT: `python -m worker.poller`, or `tuneworks poller`."""

import asyncio
import signal

from service.kit import logging as log_lines
from service.kit.lifeline import watch_parent
from service.settings import settings
from worker.poller.loop import Poller


async def _run() -> None:
    poller = Poller()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, poller.stop)
    await poller.run()


def main() -> None:
    log_lines.configure(settings().log_level)
    watch_parent()
    asyncio.run(_run())


if __name__ == "__main__":
    main()
