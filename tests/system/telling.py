"""Whether others were told of each job what became of it: once, in order, and of its end exactly one thing."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import psycopg

from service.kit.database import DISPATCH_ROLE

_JOB = "fine_tuning.job."
_ENDS = ("succeeded", "failed", "cancelled")


def faults(ended: Mapping[str, str], database_url: str, *, milestones: int | None = None) -> list[str]:
    """What is wrong with what was told of these jobs, which say how each has ended, in the house of this database.

    `milestones`: how many each job that succeeded tells of; where it is None, any number of them may be told.
    """
    with psycopg.connect(database_url) as connection:
        connection.execute(f"set role {DISPATCH_ROLE}")
        rows = connection.execute("select subject, type, sequence from events where type like 'fine_tuning.job.%'"
                                  " order by subject, sequence").fetchall()
    told: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for subject, type_, sequence in rows:
        told[subject].append((type_.removeprefix(_JOB), sequence))
    return [fault for job_id, end in ended.items() for fault in _of_job(job_id, end, told[job_id], milestones)]


def _of_job(job_id: str, end: str, told: list[tuple[str, int]], milestones: int | None) -> list[str]:
    words, found = Counter(word for word, _ in told), []
    if [word for word, _ in told if word in _ENDS] != [end] or told[-1][0] != end:
        found.append(f"{job_id} ended as {end}, and told {[word for word, _ in told]}")
    if words["created"] != 1:
        found.append(f"{job_id} was told to be created {words['created']} times")
    if [sequence for _, sequence in told] != list(range(1, len(told) + 1)):
        found.append(f"{job_id} has events with the numbers {[sequence for _, sequence in told]}")
    if words["milestone"] > 10 or (milestones is not None and end == "succeeded" and words["milestone"] != milestones):
        found.append(f"{job_id} told of {words['milestone']} milestones")
    return found
