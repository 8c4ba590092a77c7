"""A project with years of work in it, made in a moment: files, jobs of every ending, events, checkpoints, models."""

import json
import random
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.remote import orders
from tests.remote.accounts import Account
from tests.remote.datasets import Problem
from tests.remote.files import Generated, StoredFile
from tests.remote.jobs import Job
from tests.remote.models import BASES
from tests.remote.routes.jobs import make
from tests.remote.world import World

_DAY = 86_400.0


@dataclass(frozen=True)
class Wanted:
    files: int = 1000
    jobs: int = 500
    examples: int = 12
    epochs: int = 3
    failed: float = 0.1
    cancelled: float = 0.05
    running: float = 0.0
    validated: float = 0.3
    "How many jobs have a validation file too."
    lost_files: float = 0.0
    "How many of the files were deleted after their jobs had ended."
    lost_models: float = 0.0
    days: int = 700
    "Over which it grew."
    seed: int = 0


def seed_estate(world: World, account: Account, wanted: Wanted) -> dict[str, Any]:
    """Every job comes by its state the way real ones do, only in the past."""
    draw = random.Random(wanted.seed)
    now = world.clock.now()
    begin = now - wanted.days * _DAY
    files = [_file(world, account, wanted, number, begin + number * wanted.days * _DAY / (wanted.files + 1))
             for number in range(wanted.files)]
    for number in range(wanted.jobs):
        moment = begin + (number + 1) * (wanted.days * 0.9) * _DAY / (wanted.jobs + 1)
        older = files[:max(2, wanted.files * (number + 1) // (wanted.jobs + 1))]
        _job(world, account, wanted, draw, draw.choice(older), draw.choice(older), moment)
    for file in files:
        if draw.random() < wanted.lost_files:
            account.files.pop(file.id, None)
    for model in account.models.values():
        model.deleted = model.deleted or draw.random() < wanted.lost_models
    return {"files": len(account.files), "jobs": len(account.jobs),
            "models": sum(not model.deleted for model in account.models.values())}


def _file(world: World, account: Account, wanted: Wanted, number: int, moment: float) -> StoredFile:
    make_lines = partial(lines, wanted.examples, f"{wanted.seed}/{number}")
    file = StoredFile(world.names.file(), f"data-{number}.jsonl", "fine-tune", moment,
                      Generated(make_lines))
    account.files[file.id] = file
    return file


def lines(examples: int, seed: str) -> bytes:
    return b"".join(json.dumps({"messages": [
        {"role": "system", "content": f"You count for {seed}."}, {"role": "user", "content": f"What follows {number}?"},
        {"role": "assistant", "content": f"{number + 1} follows."}]}).encode() + b"\n" for number in range(examples))


def _job(world: World, account: Account, wanted: Wanted, draw: random.Random, training: StoredFile,
         validation: StoredFile, moment: float) -> None:
    base = draw.choice([base for base in BASES if "supervised" in base.methods])
    body: dict[str, Any] = {"model": base.id, "training_file": training.id, "seed": draw.randrange(2**31),
                            "suffix": draw.choice(["support", "sales-bot", "v2", None]),
                            "method": {"type": "supervised", "supervised": {"hyperparameters": {
                                "n_epochs": draw.choice([wanted.epochs, "auto"])}}}}
    if draw.random() < wanted.validated:
        body["validation_file"] = validation.id
    retired, world.behaviour.honours_retirement = world.behaviour.honours_retirement, False
    job = make(world, account, orders.read(body), moment)
    world.behaviour.honours_retirement = retired
    job.problem, job.visible_at = None, moment
    _end(world, account, job, draw.random(), wanted)


def _end(world: World, account: Account, job: Job, fate: float, wanted: Wanted) -> None:
    training = world.training
    if fate < wanted.failed:
        job.problem = Problem("invalid_n_examples", "Training file has 7 example(s), but must have at least 10 "
                                                    "examples")
    training.begin(account, job)
    training.move_on(account, job, job.created_at + world.pace.validating)
    if wanted.failed <= fate < wanted.failed + wanted.cancelled:
        training.cancel(account, job, job.created_at + world.pace.validating + 1)
    elif fate >= 1 - wanted.running:
        return
    while job.is_live and job.due is not None:
        training.move_on(account, job, job.due)
