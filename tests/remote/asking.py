"""How tests of the simulator speak to it: raw requests, official clients, and jobs on small files."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import AzureOpenAI, OpenAI

from tests.remote.control import Simulator
from tests.remote.estate import lines

MODEL = "gpt-4o-mini-2024-07-18"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


def ask(simulator: Simulator, method: str, path: str, body: Any = None, *, key: str | None = None,
        **options: Any) -> Answer:
    headers = {"Authorization": f"Bearer {key or simulator.key}"} | options.pop("headers", {})
    with httpx2.Client(trust_env=False, timeout=30) as client:
        answer = client.request(method, simulator.url + path, json=body, headers=headers, **options)
    return Answer(answer.status_code, json.loads(answer.content), dict(answer.headers))


def client_of(simulator: Simulator, key: str | None = None) -> OpenAI:
    return OpenAI(base_url=simulator.base_url, api_key=key or simulator.key, max_retries=0, timeout=30)


def azure_client_of(simulator: Simulator) -> AzureOpenAI:
    return AzureOpenAI(azure_endpoint=simulator.azure_url, api_key=simulator.key, api_version="2024-10-21",
                       max_retries=0, timeout=30)


def put_file(client: OpenAI, examples: int = 12, name: str = "data.jsonl") -> str:
    return client.files.create(file=(name, lines(examples, name)), purpose="fine-tune").id


def make_job(client: OpenAI, **more: Any) -> str:
    file = more.pop("training_file", None) or put_file(client)
    return client.fine_tuning.jobs.create(model=more.pop("model", MODEL), training_file=file, **more).id
