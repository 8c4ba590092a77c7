"""Eight chats at once with the built-in server, beside a loop that calls transformers' `generate` for one by one."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import ROUNDS, Line, show
from benchmarks.scratch import base_model, client, server
from service.settings import child_environment

_AT_ONCE = 8
_TOKENS = 16
_THREADS = 2
_PROMPTS = [f"Tell a story about number {number} and what it did on a rainy day." for number in range(_AT_ONCE)]



async def ours(url: str, name: str) -> float:
    """Tokens per second of eight requests together."""
    async with client() as session:
        async def ask(prompt: str) -> int:
            order = {"model": name, "messages": [{"role": "user", "content": prompt}], "temperature": 0,
                     "max_completion_tokens": _TOKENS}
            async with session.post(f"{url}/v1/chat/completions", json=order) as answer:
                answer.raise_for_status()
                return int((await answer.json())["usage"]["completion_tokens"])
        began = time.perf_counter()
        tokens = sum(await asyncio.gather(*map(ask, _PROMPTS)))
        return tokens / (time.perf_counter() - began)


def theirs(model_dir: Path) -> list[float]:
    """Tokens per second of each round, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.chat", str(model_dir)], check=True, capture_output=True,
                          env=child_environment(OMP_WAIT_POLICY="PASSIVE"))  # as ours: threads that spin would slow it
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def generate(model_dir: str) -> list[float]:
    import torch  # seconds to import, and only this process needs it
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(_THREADS)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
    model: Any = AutoModelForCausalLM.from_pretrained(model_dir)
    model.eval()
    rounds = []
    for _ in range(ROUNDS):
        tokens, began = 0, time.perf_counter()
        for prompt in _PROMPTS:
            inputs = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], return_tensors="pt",
                                                   add_generation_prompt=True, return_dict=True)
            with torch.inference_mode():
                answer = model.generate(**inputs, do_sample=False, max_new_tokens=_TOKENS)
            tokens += answer.shape[1] - inputs["input_ids"].shape[1]
        rounds.append(tokens / (time.perf_counter() - began))
    return rounds


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        name, path = base_model(Path(scratch))

        def command(port: int) -> list[str]:
            return [sys.executable, "-m", "worker.serving", "--port", str(port), "--base", f"{name}={path}",
                    "--threads", str(_THREADS)]
        with server(command, "/health") as (url, _):
            asyncio.run(ours(url, name))
            our_rounds = [asyncio.run(ours(url, name)) for _ in range(ROUNDS)]
        their_rounds = theirs(path)
    show(f"Chat, {_AT_ONCE} requests at once, {name}", "a loop of transformers' generate, one by one", [
        Line("answers", "tokens/s", sorted(our_rounds)[ROUNDS // 2], sorted(their_rounds)[ROUNDS // 2])])


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.stdout.write("\n" + json.dumps(generate(sys.argv[1])) + "\n")
    else:
        main()
