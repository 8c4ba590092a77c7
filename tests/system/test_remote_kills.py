"""A short run of kills with jobs that a server trains for money: none is lost, doubled or paid twice.

The seed is printed with each failure; `pytest --seed N` repeats its choices. The long run is tests.system.remote_chaos.
"""

from pathlib import Path

from tests.fixtures.receiver import Receiver
from tests.system.remote_chaos import campaign
from tests.system.remote_house import SHORT_BLOWS, remote_house

JOBS = 40
KILLS = 8
PACE = {"validating": 2.0, "queued": 100_000.0, "step": 0.25}


def test_no_kill_buys_a_second_training_run(tmp_path: Path, receiver: Receiver, seed: int) -> None:
    with remote_house(tmp_path, PACE) as place:
        verdict, nemesis = campaign(place, receiver, seed=seed, jobs=JOBS, kills=KILLS, blows=SHORT_BLOWS,
                                    pause=(0.5, 2.5), is_held=True)
    context = f"seed {seed}, {dict(nemesis.struck)}"
    assert not verdict.broken, (context, verdict.broken)
    here, there = verdict.books["micro-dollars"]
    assert here == there != "0", context
