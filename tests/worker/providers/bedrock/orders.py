"""Files and orders for the tests of Bedrock."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.jobs.plans import RemoteOrder
from tests.worker.providers.bedrock.account import NOVA
from worker.providers.bedrock.provider import Bedrock
from worker.providers.remote import UploadProgress

KEY = f"proj-aB3dE6gH9jK2mN5pQ8sT1vW4-{UUID(int=7).hex}"


@dataclass
class Bytes:
    """One of our files, in memory; counts what is read."""

    body: bytes
    filename: str = "training data (1).jsonl"
    chunk: int = 1_000_000
    read_bytes: int = 0

    def __post_init__(self) -> None:
        self.size = len(self.body)

    def read(self, start: int = 0) -> Iterator[bytes]:
        for at in range(start, len(self.body), self.chunk):
            piece = self.body[at:at + self.chunk]
            self.read_bytes += len(piece)
            yield piece


def chat(count: int = 10, **more: Any) -> bytes:
    lines = ({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Number {n}?"},
                           {"role": "assistant", "content": f"It is {n}, ü."}], **more} for n in range(count))
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def uploaded(remote: Bedrock, body: bytes) -> str:
    *_, last = remote.upload(Bytes(body), UploadProgress())
    assert last.file_id is not None
    return last.file_id


def order(training_file: str, **changes: Any) -> RemoteOrder:
    told: dict[str, Any] = {
        "job_id": "ftjob-1", "key": KEY, "house": "org-house", "model": NOVA, "training_file": training_file,
        "validation_file": None, "suffix": "My model: no. 1!", "seed": 7,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto"}}}}
    return RemoteOrder(**(told | changes))
