"""The simulated server under many requests at once, and with thousands of jobs that run."""

import asyncio

from openai import AsyncOpenAI

from tests.remote.asking import MODEL, client_of, put_file
from tests.remote.control import Simulator


def test_hundreds_of_requests_at_once_are_all_answered(simulator: Simulator) -> None:
    file = put_file(client_of(simulator))

    async def create() -> list[str]:
        async with AsyncOpenAI(base_url=simulator.base_url, api_key=simulator.key, max_retries=0, timeout=60) as client:
            made = [client.fine_tuning.jobs.create(model=MODEL, training_file=file,
                                                   metadata={"tuneworks_key": str(number)}) for number in range(300)]
            return [job.id for job in await asyncio.gather(*made)]
    assert len(set(asyncio.run(create()))) == 300
    ledger = simulator.ledger()
    assert len(ledger.by()) == 300
    assert ledger.doubled() == {}


def test_thousands_of_running_jobs_are_listed_by_pages_of_a_hundred(simulator: Simulator) -> None:
    simulator.pace(step=100_000)
    simulator.estate(files=10, jobs=5000, running=1.0, failed=0, cancelled=0, examples=10, days=1)
    client = client_of(simulator)
    assert [job.status for job in client.fine_tuning.jobs.list(limit=100)] == ["running"] * 5000
    assert simulator.ledger().requests == {"GET /v1/fine_tuning/jobs": 50}
