"""The main job, end to end, on this machine: `make demo`, or python -m worker.demo.

It starts the house, and does what a product team would do with the official SDK: upload a data set, have a real
language model fine-tuned on it, hear of its end by a signed webhook, and chat with the result.
"""

import argparse
import queue
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob, SupervisedHyperparametersParam
from openai.types.fine_tuning.job_create_params import Method
from openai.types.webhooks.webhook_endpoint_with_secret import WebhookEndpointWithSecret
from rich.markup import escape

from service.settings import child_environment
from worker.demo.dataset import Example, load, path
from worker.demo.display import Display, TrainingBar
from worker.demo.forecast import predicted_and_trained, preflight_lines
from worker.demo.house import House, HouseDidNotStart, running_house
from worker.demo.receiver import Receiver, running_receiver
from worker.demo.score import score

MODEL = "smollm2-135m-instruct"
HYPERPARAMETERS: SupervisedHyperparametersParam = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 2.5}
METHOD: Method = {"type": "supervised", "supervised": {"hyperparameters": HYPERPARAMETERS}}
_ANSWER_TOKENS = 48
_SHOWN = 3
_JOB_SECONDS = 1800.0
_WEBHOOK_SECONDS = 60.0


def main() -> int:
    """Run the demo; 0 when the tuned model is better than its base, 1 when anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m worker.demo", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path(".tuneworks"), help="where the house keeps its data")
    arguments = parser.parse_args()
    display = Display()
    started = time.monotonic()
    display.title("Tuneworks: fine-tune a language model in your own house")
    try:
        _fetch_base_model(display, arguments.data_dir)
        display.line("starting PostgreSQL, Valkey, API, relay, workers and chat server")
        with running_house(arguments.data_dir) as house, running_receiver() as receiver:
            better = Demo(display, house, receiver).run()
    except (HouseDidNotStart, subprocess.CalledProcessError) as trouble:
        display.line(f"[red]The house did not start:[/red] {trouble}\n  `tuneworks doctor` says more.")
        return 1
    display.line(f"Done in {time.monotonic() - started:.0f} s. The house is stopped; its data stays in"
                 f" {arguments.data_dir}/.")
    _say_how_to_go_on(display, house, arguments.data_dir)
    return 0 if better else 1


def _fetch_base_model(display: Display, data_dir: Path) -> None:
    models = data_dir.absolute() / "models"
    if (models / MODEL / "config.json").exists():
        return
    with display.waiting(f"fetching and converting the base model {MODEL} (98 MB, once)"):
        subprocess.run([sys.executable, "-m", "service.cli", "models", "pull", MODEL], check=True, capture_output=True,
                       env=child_environment(TUNEWORKS_MODELS_DIR=str(models)))


class Demo:
    """What a product team does, step by step, with nothing but the official SDK."""

    def __init__(self, display: Display, house: House, receiver: Receiver) -> None:
        self.display = display
        self.receiver = receiver
        self.client = OpenAI(base_url=house.base_url, api_key=house.api_key)
        self.heldout = load("heldout")

    def run(self) -> bool:
        endpoint = self.client.webhooks.create(
            name="demo", url=self.receiver.url,
            event_types=["fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"])
        before = self._ask_all(MODEL, "1. Ask the base model")
        job = self._train()
        if job.status != "succeeded" or job.fine_tuned_model is None:
            reason = job.error.message if job.error else job.status
            self.display.line(f"[red]The job did not succeed:[/red] {reason}")
            return False
        self._hear_of_it(endpoint)
        after = self._ask_all(job.fine_tuned_model, "4. Ask the tuned model")
        self.client.webhooks.delete(endpoint.id)
        self._compare(before, after)
        results = [score([(answer, example.ticket) for answer, example in zip(answers, self.heldout, strict=True)])
                   for answers in (before, after)]
        self.display.scores(*results)
        return results[1].all_right > results[0].all_right and results[1].valid > results[0].valid

    def _ask_all(self, model: str, title: str) -> list[str]:
        self.display.title(title)
        with self.display.waiting(f"{len(self.heldout)} held-out messages → {model}"), ThreadPoolExecutor(8) as pool:
            return list(pool.map(partial(self._ask, model), self.heldout))

    def _ask(self, model: str, example: Example) -> str:
        answer = self.client.chat.completions.create(
            model=model, messages=[{"role": each["role"], "content": each["content"]} for each in example.prompt],  # type: ignore[misc]  # the SDK's union has one dict per role
            temperature=0, max_completion_tokens=_ANSWER_TOKENS)
        return answer.choices[0].message.content or ""

    def _train(self) -> FineTuningJob:
        self.display.title("2. Train")
        files = {}
        for part in ("train", "validation"):
            with path(part).open("rb") as handle:
                files[part] = self.client.files.create(file=handle, purpose="fine-tune")
            files[part] = self.client.files.wait_for_processing(files[part].id, poll_interval=0.2)
            self.display.line(f"{files[part].filename} → {files[part].id}, {files[part].bytes:,} bytes,"
                              f" {files[part].status}")
        told = self._look_ahead(files["train"].id, files["validation"].id)
        job = self.client.fine_tuning.jobs.create(
            model=MODEL, training_file=files["train"].id, validation_file=files["validation"].id, suffix="tickets",
            seed=1, method=METHOD, extra_body={"preflight": told["id"]})
        self.display.line(f"job {job.id}")
        with self.display.training() as bar:
            job = self._follow(job, bar)
        if job.trained_tokens is not None:
            self.display.line(predicted_and_trained(told, job.trained_tokens))
        return job

    def _look_ahead(self, training: str, validation: str) -> dict[str, Any]:
        """What the job will be, before it is started: a route of this house, by the same client."""
        with self.display.waiting("pre-flight: POST /v1/fine_tuning/preflights"):
            told: Any = self.client.post(
                "/fine_tuning/preflights", cast_to=object, options={"params": {"wait": 60}},
                body={"model": MODEL, "training_file": training, "validation_file": validation, "method": METHOD})
        for words in preflight_lines(told):
            self.display.line(escape(words))
        return dict(told)

    def _follow(self, job: FineTuningJob, bar: TrainingBar) -> FineTuningJob:
        seen: set[str] = set()
        deadline = time.monotonic() + _JOB_SECONDS
        while time.monotonic() < deadline:
            job = self.client.fine_tuning.jobs.retrieve(job.id)
            page = self.client.fine_tuning.jobs.list_events(job.id, limit=50)
            for event in reversed(page.data):
                if event.id in seen:
                    continue
                seen.add(event.id)
                data = event.data if isinstance(event.data, dict) else {}
                if event.type == "metrics":
                    left = max(0.0, job.estimated_finish - time.time()) if job.estimated_finish else None
                    bar.step(data["step"], data["total_steps"], loss=data.get("train_loss"),
                             rate=data.get("tokens_per_second"), seconds_left=left)
                else:
                    bar.stage(event.message)
            if job.status in {"succeeded", "failed", "cancelled"}:
                break
            time.sleep(0.5)
        return job

    def _hear_of_it(self, endpoint: WebhookEndpointWithSecret) -> None:
        self.display.title("3. Hear of it")
        try:
            delivery = self.receiver.next(_WEBHOOK_SECONDS)
        except queue.Empty:
            self.display.line("[red]No webhook came.[/red] `tuneworks doctor` looks for the worker that sends them.")
            raise SystemExit(1) from None
        event = self.client.webhooks.unwrap(delivery.body, delivery.headers, secret=endpoint.signing_secret)
        self.display.line(f"webhook {event.type}, signature verified by the SDK:")
        self.display.verbatim(f"  {delivery.body.decode()}")

    def _compare(self, before: list[str], after: list[str]) -> None:
        self.display.title("5. Compare")
        rows = [(example.message, base, tuned)
                for example, base, tuned in zip(self.heldout, before, after, strict=True)]
        self.display.answers(rows[:_SHOWN])


def _say_how_to_go_on(display: Display, house: House, data_dir: Path) -> None:
    display.title("Go on")
    elsewhere = "" if data_dir == Path(".tuneworks") else f" --data-dir {data_dir}"
    display.line(f"The house again, with this data and these keys: [bold].venv/bin/tuneworks up{elsewhere}[/bold]")
    display.line("Then, from any program with the official SDK, with the base URL that the house prints:")
    display.verbatim(f"""
from openai import OpenAI
client = OpenAI(base_url="{house.base_url}", api_key="{house.api_key}")
file = client.files.create(file=open("train.jsonl", "rb"), purpose="fine-tune")
job = client.fine_tuning.jobs.create(model="{MODEL}", training_file=file.id)
print(client.fine_tuning.jobs.retrieve(job.id).status)
""")


if __name__ == "__main__":
    sys.exit(main())
