"""Sends N random or hostile requests to a house, as each kind of caller, and counts the answers.

    python -m tests.fuzz [--n 100000] [--seed N]

Exits with 1 on any answer of 500 or more, without the whole error envelope, or without a request id.
"""

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openai import OpenAI
from rich.console import Console
from rich.table import Table

from benchmarks.report import load, versions
from tests.fixtures.whole_house import BASE, WholeHouse, chat_lines, make_base, running_house, until
from tests.fuzz.requests import Attack, Attacker, Ids
from tests.isolation.test_hostile import Judge

_CLIENTS = 4
_PATIENCE = 120.0


@dataclass(frozen=True)
class Answer:
    """As much of a response as `Judge` asks for."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


@dataclass
class Tally:
    judge: Judge = field(default_factory=Judge)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    roles: Counter[tuple[str, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, role: str, attack: Attack, answer: Answer) -> None:
        with self.lock:
            self.statuses[attack.route, answer.status_code] += 1
            self.roles[role, answer.status_code] += 1
            if attack.method != "HEAD":  # which has no body to hold an envelope
                self.judge.hear(answer, f"{role}: {attack.method} {attack.url:.80} ({attack.about})")


class Caller:
    """One connection after another to the API; a server that closes one on nonsense is within its rights."""

    def __init__(self, base_url: str) -> None:
        self._address = urlsplit(base_url)
        self._connection = self._fresh()

    def _fresh(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=_PATIENCE)

    def send(self, attack: Attack) -> Answer:
        """Raises OSError or HTTPException when the server gives no answer to a fresh connection either."""
        for last in (False, True):
            try:
                self._connection.request(attack.method, attack.url, attack.body, attack.headers)
                answer = self._connection.getresponse()
                return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()},
                              answer.read())
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._connection = self._fresh()
                if last:
                    raise
        raise AssertionError


def settle(house: WholeHouse) -> tuple[dict[str, str | None], Ids]:
    """Keys of every role, and a first object of each kind; ids of what a role lives by are kept out of reach."""
    client, ids = house.client(), Ids()
    projects = client.admin.organization.projects
    other = projects.create(name="stranger")
    created = projects.service_accounts.create(other.id, name="bot")
    assert created.api_key is not None
    spare = projects.create(name="spare")
    for made in (spare, projects.service_accounts.create(spare.id, name="bot"),
                 client.admin.organization.admin_api_keys.create(name="spare"),
                 client.files.create(file=("a.jsonl", chat_lines(12)), purpose="fine-tune"),
                 client.webhooks.create(name="a", url="https://example.com/", event_types=["fine_tuning.job.failed"])):
        ids.learn(made.to_dict())
    settle_dataset(client, ids)
    ready = house.ready
    return {"project": ready["api_key"], "stranger": created.api_key.value, "admin": ready["admin_key"],
            "nobody": None}, ids


def settle_dataset(client: OpenAI, ids: Ids) -> None:
    """A data set with a version, a review of it with items, a preview and a pre-flight, so that these are reached."""
    def ask(path: str, **body: Any) -> Any:
        answer = client.post(path, cast_to=object, body=body)
        ids.learn(answer)
        return answer

    [file_id] = ids.seen["file_id"]
    dataset = ask("/datasets", name="fuzzed")
    version = ask(f"/datasets/{dataset['id']}/versions", source={"type": "file", "file_id": file_id})
    place = f"/datasets/{dataset['id']}/versions/{version['id']}"
    review = ask(f"{place}/reviews", flagged="all", sampled={"percent": 100})
    items = f"{place}/reviews/{review['id']}/items"

    def listed() -> Any:
        return client.get(items, cast_to=object)
    until(lambda: bool(listed()["data"]), 60, "the review has items")
    ids.learn(listed())
    ask(f"{place}/previews", model=BASE)
    ask("/fine_tuning/preflights", model=BASE, training_file=version["id"])


def fuzz(house: WholeHouse, count: int, seed: int) -> Tally:
    keys, ids = settle(house)
    tally, choice = Tally(), random.Random(seed)
    left = iter(range(count))
    take = threading.Lock()

    def work(number: int) -> None:
        attacker, caller = Attacker(seed + number, ids), Caller(house.ready["base_url"])
        while True:
            with take:
                if next(left, None) is None:
                    return
                [role] = choice.choices(list(keys), (3, 3, 3, 1))
            attack = attacker.attack(keys[role], is_admin=role == "admin")
            try:
                answer = caller.send(attack)
            except (OSError, http.client.HTTPException, ValueError) as silence:
                with tally.lock:
                    tally.statuses[attack.route, 0] += 1
                    if not isinstance(silence, ValueError):  # which our own side refused to send
                        tally.judge.wrong.append(f"{attack.method} {attack.url:.80} ({attack.about}): {silence!r}")
                continue
            tally.hear(role, attack, answer)
            with suppress(ValueError, RecursionError):  # files are answers too, and some nest without end
                ids.learn(json.loads(answer.content))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def show(title: str, counts: Counter[tuple[str, int]]) -> None:
    statuses = sorted({status for _, status in counts})
    table = Table(title, *(str(status) if status else "not sent" for status in statuses))
    for name in sorted({name for name, _ in counts}):
        table.add_row(name, *(str(counts[name, status] or "") for status in statuses))
    Console(width=160).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    print(f"fuzz: seed {given.seed}, {given.n} requests; {versions()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        (models := Path(scratch) / "models").mkdir()
        with running_house(Path(scratch), make_base(models), "--no-training",
                           TUNEWORKS_STREAM_SECONDS="1") as house:
            began = time.monotonic()
            tally = fuzz(house, given.n, given.seed)
            seconds = time.monotonic() - began
    show("route", tally.statuses)
    show("caller", tally.roles)
    for fault in tally.judge.wrong[:50]:
        print(f"WRONG {fault}")
    print(f"{given.n} requests in {seconds:.0f} s, {len(tally.judge.wrong)} wrong answers; load {load()}")
    return 1 if tally.judge.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
