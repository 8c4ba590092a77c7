"""Estates: a project of a thousand files and hundreds of jobs, as if it had grown for years."""

from collections import Counter

import pytest
from openai import NotFoundError

from tests.remote.asking import client_of
from tests.remote.control import Simulator


def test_a_whole_estate_can_be_read(simulator: Simulator) -> None:
    made = simulator.estate(files=1000, jobs=500)
    client = client_of(simulator)
    jobs = list(client.fine_tuning.jobs.list(limit=100))
    assert len(jobs) == made["jobs"] == 500
    ends = Counter(job.status for job in jobs)
    assert set(ends) == {"succeeded", "failed", "cancelled"}
    assert [job.created_at for job in jobs] == sorted((job.created_at for job in jobs), reverse=True)
    files = {file.id: file for file in client.files.list(limit=10_000)}
    assert len(files) == made["files"] == 1000 + ends["succeeded"]
    job = next(job for job in jobs if job.status == "succeeded")
    assert len(client.files.content(job.training_file).read()) == files[job.training_file].bytes
    assert files[job.training_file].created_at <= job.created_at
    assert client.models.retrieve(str(job.fine_tuned_model)).id == job.fine_tuned_model
    assert client.fine_tuning.jobs.list_events(job.id).data[0].message == "The job has successfully completed"


def test_the_same_seed_makes_the_same_estate(simulator: Simulator) -> None:
    def made() -> list[tuple[str, str, str]]:
        simulator.reset()
        simulator.estate(files=20, jobs=10, seed=3)
        return [(job.id, job.model, job.status) for job in client_of(simulator).fine_tuning.jobs.list(limit=100)]
    assert made() == made()


def test_some_files_may_be_lost(simulator: Simulator) -> None:
    simulator.estate(files=50, jobs=30, lost_files=0.5, lost_models=0.5)
    client = client_of(simulator)
    there = {file.id for file in client.files.list()}
    lost = next(job for job in client.fine_tuning.jobs.list(limit=100) if job.training_file not in there)
    with pytest.raises(NotFoundError):
        client.files.content(lost.training_file)
