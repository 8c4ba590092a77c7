"""A small house sends its jobs to a bigger one: a second Tuneworks is the server that is paid, and trains for real."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.fixtures.whole_house import BASE, WholeHouse, chat_lines, running_house, until
from tests.system.test_datasets import ask, tell
from tests.system.test_main_job import ENDS, upload

MODEL = f"big/{BASE}"
_END_SECONDS = 240.0


@pytest.fixture(scope="module")
def houses(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenAI, OpenAI, WholeHouse]]:
    """Clients of the small house, which trains nothing, and of the big one; and the small house itself."""
    with (running_house(tmp_path_factory.mktemp("big"), tiny_base) as big,
          running_house(tmp_path_factory.mktemp("small"), tmp_path_factory.mktemp("no-models"), "--no-training",
                        "--no-chat", TUNEWORKS_REMOTE_ALLOW_PRIVATE="true") as small):
        ready = big.ready
        with small.client(max_retries=0) as here, big.client(max_retries=0) as there:
            credential = tell(here, "/credentials", {"provider": "compatible", "name": "big",
                                                     "base_url": ready["base_url"], "secret": ready["api_key"]})
            until(lambda: ask(here, f"/credentials/{credential['id']}")["status"] == "valid", 60, "it opens the door")
            yield here, there, small


def ended(client: OpenAI, job_id: str) -> Any:
    deadline = time.monotonic() + _END_SECONDS
    while (job := client.fine_tuning.jobs.retrieve(job_id)).status not in ENDS:
        log = client.fine_tuning.jobs.list_events(job_id)
        assert time.monotonic() < deadline, (job, [line.message for line in log])
        time.sleep(0.5)
    return job


def test_a_job_is_trained_in_the_other_house_and_all_of_it_is_told_here(
        houses: tuple[OpenAI, OpenAI, WholeHouse]) -> None:
    here, there, _ = houses
    assert MODEL in {model.id for model in here.models.list()}
    training = upload(here, chat_lines(16))
    job = here.fine_tuning.jobs.create(model=MODEL, training_file=training, suffix="far", seed=7, metadata={"of": "us"},
                                       hyperparameters={"n_epochs": 2, "batch_size": 4})
    mine = ended(here, job.id)
    assert mine.status == "succeeded", mine.error
    [theirs] = there.fine_tuning.jobs.list()

    assert theirs.metadata is not None
    assert theirs.metadata["of"] == "us"
    assert (mine.fine_tuned_model, mine.trained_tokens) == (theirs.fine_tuned_model, theirs.trained_tokens)
    assert mine.seed == theirs.seed == 7
    assert there.files.content(theirs.training_file).read() == chat_lines(16)

    metrics = [[(event.id, event.message, event.data) for event in client.fine_tuning.jobs.list_events(id_, limit=100)
                if event.type == "metrics"] for client, id_ in ((here, mine.id), (there, theirs.id))]
    assert metrics[0] == metrics[1] != []
    checkpoints = [[(each.id, each.step_number, each.fine_tuned_model_checkpoint)
                    for each in client.fine_tuning.jobs.checkpoints.list(id_)]
                   for client, id_ in ((here, mine.id), (there, theirs.id))]
    assert checkpoints[0] == checkpoints[1] != []
    rows = [list(csv.reader(io.StringIO(client.files.content(result).read().decode())))
            for client, result in ((here, mine.result_files[0]), (there, theirs.result_files[0]))]
    assert rows[0] == rows[1]

    question: list[Any] = [{"role": "user", "content": "say 3"}]
    for model in (mine.fine_tuned_model, checkpoints[0][-1][2]):
        said = [client.chat.completions.create(model=str(model), messages=question, max_completion_tokens=4, seed=1,
                                               temperature=0) for client in (here, there)]
        assert said[0].choices[0].message.content == said[1].choices[0].message.content
        assert said[0].model == model
    stream = here.chat.completions.create(model=str(mine.fine_tuned_model), messages=question, max_completion_tokens=4,
                                          temperature=0, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == (
        here.chat.completions.create(model=str(mine.fine_tuned_model), messages=question, max_completion_tokens=4,
                                     temperature=0).choices[0].message.content)


def test_a_job_that_is_cancelled_here_is_cancelled_there(houses: tuple[OpenAI, OpenAI, WholeHouse]) -> None:
    here, there, _ = houses
    job = here.fine_tuning.jobs.create(model=MODEL, training_file=upload(here, chat_lines(64, turns=3)),
                                       hyperparameters={"n_epochs": 50, "batch_size": 1})
    until(lambda: here.fine_tuning.jobs.retrieve(job.id).status == "running", _END_SECONDS, "the job runs")
    here.fine_tuning.jobs.cancel(job.id)
    assert ended(here, job.id).status == "cancelled"
    assert next(iter(there.fine_tuning.jobs.list(limit=1))).status == "cancelled"
