"""The long run of blows for remote training: thousands of jobs at a simulated server, then both ledgers compared.

    python -m tests.system.remote_chaos [--seed N] [--jobs 2000] [--kills 60]

Three in ten creations get no answer, and everything is killed in turn. Exits with 1 when anything was lost, doubled
or paid twice. The same seed chooses the same blows; when they land is the machine's affair.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fixtures.receiver import Receiver, receiving
from tests.fixtures.whole_house import until
from tests.remote.control import Simulator
from tests.system.chaos_runs import options, report, table
from tests.system.remote_campaign import AMBIGUOUS, Campaign
from tests.system.remote_house import BLOWS, RemoteHouse, RemoteNemesis, remote_house
from tests.system.remote_judging import Verdict, judge

_PAUSE = (2.0, 8.0)
_LONGEST_PAUSE = 45.0
_HELD_SECONDS = 300.0
_END_SECONDS = 1800.0


def make_trouble(simulator: Simulator, seed: int) -> tuple[str, list[str]]:
    """The faults that stay for the whole run; ids of what doubles creations, and of what takes their answers."""
    double = simulator.fault("double", method="POST", path="/fine_tuning/jobs$", probability=0.02, seed=seed)
    simulator.fault("late", method="POST", path="/fine_tuning/jobs$", probability=0.03, seconds=4.0, seed=seed)
    creations = [simulator.fault(do, method="POST", path="/fine_tuning/jobs$", probability=share, seed=seed, **how)
                 for do, share, how in AMBIGUOUS]
    simulator.fault("reset_after", method="POST", path="/files$", probability=0.1, seed=seed)
    simulator.fault(429, method="GET", path="/fine_tuning/jobs", probability=0.02, retry_after=1, seed=seed)
    simulator.fault(500, method="GET", path="/fine_tuning/jobs", probability=0.02, seed=seed)
    simulator.fault("truncate", method="GET", path="/(events|checkpoints|content)", probability=0.02, seed=seed)
    simulator.fault("reset_after", method="POST", path="/(cancel|pause|resume)$", probability=0.1, seed=seed)
    simulator.behave(failing_share=0.02)
    return double, creations


def campaign(place: RemoteHouse, receiver: Receiver, *, seed: int, jobs: int, kills: int,
             blows: Sequence[str] = BLOWS, pause: tuple[float, float] = _PAUSE, is_held: bool = False,
             ) -> tuple[Verdict, RemoteNemesis]:
    """Strike while jobs are ordered and trained; `is_held`: none is trained before half of the blows have fallen."""
    client = place.client()
    database_url = place.house.setting("database_url")  # while the relay that tells it is alive
    client.webhooks.create(name="chaos", url=f"{receiver.url}/hook", event_types=[
        "fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"])
    double, creations = make_trouble(place.simulator, seed)
    nemesis, order = RemoteNemesis(place, seed, blows), Campaign(client, jobs, seed)
    for number in range(1, kills + 1):
        time.sleep(nemesis.random.uniform(*pause))
        if not is_held:
            keep_pace(order, (number - 1) / kills)
        say(f"{number}/{kills} {nemesis.strike()}: {order}")
        order.meddle()
        if is_held and number == kills // 2:
            release(place.simulator, order, double)
    order.wait_created()
    late = ""
    try:
        say(f"all were ordered: {order}")
        until(order.all_ended, _END_SECONDS, "all jobs end")
    except pytest.fail.Exception as failure:
        late = f"{failure}: {[job for job, status in order.statuses.items() if status not in order.jobs[job]][:5]}"
    say(f"all have ended: {order}")
    struck = sum(place.simulator.struck(each) for each in creations)
    place.simulator.clear_faults()
    verdict = judge(client, place.simulator, receiver, order.jobs, database_url=database_url)
    verdict.broken += [late] if late else []
    verdict.counts["creations asked for"] = place.simulator.ledger().requests.get("POST /v1/fine_tuning/jobs", 0)
    verdict.counts["of them without a readable answer"] = struck
    return verdict, nemesis


def keep_pace(order: Campaign, share: float) -> None:
    """Let the blows fall over the whole of the run, not on its beginning alone."""
    deadline = time.monotonic() + _LONGEST_PAUSE
    while order.ended() < share * order.wanted and time.monotonic() < deadline:
        order.meddle(2)
        time.sleep(3.0)


def release(simulator: Simulator, order: Campaign, double: str) -> None:
    """Let the jobs be trained that were held back, once each waits there and none twice: no extra one was paid then."""
    order.wait_created()
    simulator.clear_faults(double)

    def each_waits_once() -> bool:
        order.meddle(0)  # resumes what is paused, which would never be sent
        ledger = simulator.ledger()
        return len(ledger.by()) >= order.going() and not ledger.doubled()
    until(each_waits_once, _HELD_SECONDS, "each job waits at the server once")
    simulator.pace(queued=5.0)
    simulator.hurry(5.0)


def say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


def main() -> int:
    given = options("remote_chaos", __doc__, jobs=2000, kills=60)
    directory = Path(tempfile.mkdtemp(prefix="remote-chaos-"))
    since = time.monotonic()
    with remote_house(directory) as place, receiving() as receiver:
        verdict, nemesis = campaign(place, receiver, seed=given.seed, jobs=given.jobs, kills=given.kills)
    print(f"{time.monotonic() - since:.0f} seconds", flush=True)
    return report([table("Blows", ("blow", "struck"), {name: (n,) for name, n in sorted(nemesis.struck.items())}),
                   table("What came of it", ("what", "count"), {what: (n,) for what, n in verdict.counts.items()}),
                   table("The books", ("ledger", "here", "there"), verdict.books)],
                  verdict.broken, directory, keep=given.keep)


if __name__ == "__main__":
    sys.exit(main())
