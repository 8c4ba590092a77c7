"""The simulated server as a program.

    python -m tests.remote [--port 0] [--ready-file FILE] [--seed 0] [--speed 1] [--state FILE]

With a state file it goes on where it was stopped. The ready file, or standard output without one, tells the URLs of
both sides and the keys of two projects.
"""

import argparse
import asyncio
import json
import pickle
import signal
import sys
from pathlib import Path

from tests.remote.server import Simulator
from tests.remote.training import nothing
from tests.remote.world import DEFAULT_KEY, OTHER_KEY, World


async def serve(given: argparse.Namespace) -> None:
    is_known = given.state is not None and given.state.exists()
    world = pickle.loads(given.state.read_bytes()) if is_known else World(given.seed, given.speed)
    simulator = Simulator(world)
    await simulator.start(given.port)
    told = json.dumps({"url": simulator.url, "control_url": simulator.control_url, "key": DEFAULT_KEY,
                       "other_key": OTHER_KEY})
    if given.ready_file is None:
        print(told, flush=True)
    else:
        partial = given.ready_file.with_suffix(".partial")
        partial.write_text(told)
        partial.replace(given.ready_file)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await simulator.stop()
    if given.state is not None:
        simulator.world.training.ended = nothing
        given.state.write_bytes(pickle.dumps(simulator.world))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.remote", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0)
    asyncio.run(serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
