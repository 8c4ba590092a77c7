"""What the serving tests stand on: a tiny model, adapters with a manifest, and real server processes."""

import hashlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from openai import OpenAI
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from worker.training.base_models import tiny

# Several test processes share few cores, and threads that wait for each other do it badly there.
torch.set_num_threads(1)

HELLO = [{"role": "user", "content": "Hello, how can I help you today?"}]
SECRET = "a secret between the front and the engine"


def write_manifest(folder: Path) -> None:
    files = {
        file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
        for file in folder.iterdir()
        if file.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def reference(model_path: Path) -> tuple[Any, Any]:
    """The same model and tokenizer, run by transformers itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: Any = AutoModelForCausalLM.from_pretrained(model_path)
        return model.eval(), AutoTokenizer.from_pretrained(model_path)


def greedy(model: Any, tokenizer: Any, tokens: int) -> str:
    """What `transformers` answers to HELLO."""
    prompt = tokenizer.apply_chat_template(HELLO, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = model.generate(**prompt, do_sample=False, max_new_tokens=tokens)[0, prompt["input_ids"].shape[1] :]
    return str(tokenizer.decode(ids, skip_special_tokens=True))


@pytest.fixture(scope="session")
def make_adapter(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write an adapter with random weights; `strength` 0 leaves lora_B at zero, as before training."""
    root = tmp_path_factory.mktemp("adapters")

    def make(name: str, *, seed: int = 0, strength: float = 0.5, **options: Any) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model: Any = AutoModelForCausalLM.from_pretrained(model_path)
            targets = options.pop("target_modules", ["q_proj", "v_proj", "down_proj"])
            model = get_peft_model(model, LoraConfig(r=8, target_modules=targets, **options))
            generator = torch.Generator().manual_seed(seed)
            for parameter_name, parameter in model.named_parameters():
                if "lora_" in parameter_name and strength:
                    parameter.data = torch.randn(parameter.shape, generator=generator) * strength / 4
            model.save_pretrained(root / name)
        write_manifest(root / name)
        return root / name

    return make


@pytest.fixture(scope="session")
def adapter_paths(make_adapter: Callable[..., Path]) -> dict[str, Path]:
    targets = {"red": ["q_proj", "v_proj"], "green": ["down_proj", "up_proj"], "blue": ["k_proj", "o_proj"]}
    return {
        name: make_adapter(name, seed=seed, target_modules=modules)
        for seed, (name, modules) in enumerate(targets.items())
    }


@dataclass(frozen=True)
class Running:
    """A server process and two ways to talk to it."""

    url: str
    process: subprocess.Popen[bytes]
    http: httpx2.Client
    sdk: OpenAI

    def metric(self, name: str) -> int:
        lines = self.http.get("/metrics").text.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"tuneworks_serving_{name} "))

    def resident(self) -> dict[str, bool]:
        return {card["id"]: card["resident"] for card in self.http.get("/v1/models").json()["data"]}


@contextmanager
def running(*arguments: str, secret: str | None = None) -> Iterator[Running]:
    """A server that ends because its parent's end of the pipe does: with this block, or with the test process."""
    reading, writing = os.pipe()
    environment = {**os.environ, "TUNEWORKS_PARENT_FD": str(reading)}  # all of ours, and one more
    if secret:
        environment["TUNEWORKS_SERVING_TOKEN"] = secret
    command = [sys.executable, "-m", "worker.serving", "--port", "0", "--threads", "1", *arguments]
    with ExitStack() as held:
        process = subprocess.Popen(command, env=environment, pass_fds=[reading], stdout=subprocess.PIPE)
        held.callback(process.kill)
        held.callback(_ended, process)
        held.callback(os.close, writing)
        os.close(reading)
        assert process.stdout is not None
        held.enter_context(process.stdout)
        url = json.loads(process.stdout.readline())["url"]
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        http = held.enter_context(httpx2.Client(base_url=url, headers=headers, timeout=60))
        sdk = held.enter_context(OpenAI(base_url=f"{url}/v1", api_key=secret or "none", max_retries=0))
        eventually(lambda: http.get("/health").status_code == 200)
        yield Running(url, process, http, sdk)


def _ended(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(timeout=60) == 0


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def server(model_path: Path, adapter_paths: dict[str, Path]) -> Iterator[Running]:
    """The usual server: one base called `tiny` and three adapters on it."""
    with running("--base", f"tiny={model_path}") as started:
        for name, path in adapter_paths.items():
            answer = started.http.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": str(path)})
            assert answer.status_code == 200, answer.text
        yield started


@pytest.fixture(scope="session")
def small_server() -> Iterator[Running]:
    """A server with a secret, room for two adapters, and nothing loaded."""
    with running("--max-adapters", "2", secret=SECRET) as started:
        yield started


def ask(server: Running, model: str = "tiny", **options: Any) -> str:
    """One answer, greedy and short unless told otherwise."""
    options = {"temperature": 0, "max_tokens": 24, "messages": HELLO} | options
    create: Any = server.sdk.chat.completions.create  # its overloads know no options from outside
    answer = create(model=model, **options)
    return str(answer.choices[0].message.content)
