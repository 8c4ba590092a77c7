"""Bedrock's stand in the contract suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from service.catalog.capabilities import Capabilities, of
from service.jobs.plans import RemoteOrder
from tests.remote.estate import lines
from tests.worker.providers.bedrock.account import Account, account, credential
from tests.worker.providers.bedrock.orders import order
from tests.worker.providers.stands import Lines
from worker.providers.opening import open_remote
from worker.providers.remote import Remote

_WORDS = {"running": "InProgress", "succeeded": "Completed", "failed": "Failed", "cancelled": "Stopped"}
_METRICS = "step_number,epoch_number,training_loss,perplexity\n" + "".join(f"{n},0,{1 / n},2\n" for n in range(1, 25))


class BedrockStand:
    provider = "bedrock"

    def __init__(self, made: Account) -> None:
        self.account = made

    @property
    def can(self) -> Capabilities:
        return of("bedrock")

    def open(self, secret: str | None = None) -> Remote:
        """moto checks no signature: a wrong secret comes with a key that the account does not know."""
        options = credential().options | ({"access_key_id": "AKIAUNKNOWNUNKNOWN00"} if secret else {})
        return open_remote(credential(options=options, secret=secret or "secret"))

    def data(self, examples: int = 12) -> Lines:
        return Lines(lines(examples, "contract"))

    def order(self, training_file: str, **changes: Any) -> RemoteOrder:
        method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}
        given: dict[str, Any] = {"key": self.key(), "house": "org_ours", "method": method}
        return order(training_file, **given | changes)

    def move(self, job_id: str, status: str) -> None:
        job = next(one for one in self.account.jobs.values() if one.job_arn == job_id)
        if status == "succeeded":
            self.account.put_output(job.job_name, "training_artifacts/step_wise_training_metrics.csv", _METRICS)
        job.status = _WORDS[status]

    def key(self, number: int = 1) -> str:
        return f"proj-contract-{UUID(int=number).hex}"

    def lose_the_answer(self) -> None:
        self.account.fail("CreateModelCustomizationJob", "reset_after")

    def be_out_of_reach(self) -> None:
        self.account.fail("CreateModelCustomizationJob", "unreached")

    def lives(self, key: str) -> int:
        return sum(name == key for name in self.account.jobs)


@contextmanager
def bedrock_stand() -> Iterator[BedrockStand]:
    with account() as made:
        yield BedrockStand(made)
