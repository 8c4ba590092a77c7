"""Trains an adapter on the same chats: our training process, beside a plain Trainer that pads all to one length."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Line, median_of, show
from benchmarks.scratch import base_model
from service.settings import child_environment
from worker.training.plan import PROGRESS_FILE, Knobs, Plan
from worker.training.progress import Finished, Metrics, Stage, read_progress

_BATCH = 2
_CONTEXT = 256
_THREADS = 2
_EXAMPLES = {"tiny": 96}
_FEW = 4
"""Of a real model, which is some fifty times slower than the tiny one."""


def write_chats(path: Path, count: int) -> None:
    """Chats of unlike lengths, as real ones are: most of them short, few of them long."""
    with path.open("w") as file:
        for number in range(count):
            said = "the order has not arrived yet. " * (1 + (number * 3 % 8) ** 2 // 6)
            file.write(json.dumps({"messages": [{"role": "user", "content": said},
                                                {"role": "assistant", "content": f"I am sorry. {said[:80]}"}]}) + "\n")


def ours(model: Path, chats: Path, run: Path) -> float:
    """Tokens per second from the start of training to the last step; saving is left out for both."""
    Plan(job_id="bench", base_model=str(model), training_file=str(chats), context_length=_CONTEXT, n_epochs=1,
         batch_size=_BATCH, learning_rate_multiplier=1.0, seed=1, knobs=Knobs(threads=_THREADS)).write(run)
    subprocess.run([sys.executable, "-m", "worker.training", str(run)], check=True, capture_output=True)
    records, _ = read_progress(run / PROGRESS_FILE)
    began = next(each.time for each in records if isinstance(each, Stage) and each.name == "training")
    ended = max(each.time for each in records if isinstance(each, Metrics))
    tokens = sum(each.trained_tokens for each in records if isinstance(each, Finished))
    return tokens / (ended - began)


def theirs(model: Path, chats: Path) -> float:
    """The median of all rounds, which one process makes: it would spend most of its time on imports otherwise."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.training", str(model), str(chats)], check=True,
                          env=child_environment(OMP_WAIT_POLICY="PASSIVE"),  # as ours: threads that spin would slow it
                          capture_output=True)
    return float(done.stdout.splitlines()[-1])


def train_plainly(model_dir: str, chats: Path) -> float:
    """What the tutorials show: tokenize, pad to the longest length there may be, hand it to the Trainer."""
    import torch  # seconds to import, and only this process needs it
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

    torch.set_num_threads(_THREADS)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(model_dir),
                                LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    rows, tokens = [], 0
    for line in chats.read_text().splitlines():
        text = tokenizer.apply_chat_template(json.loads(line)["messages"], tokenize=False)
        row = tokenizer(text, padding="max_length", truncation=True, max_length=_CONTEXT)
        tokens += sum(row["attention_mask"])
        labels = [word if seen else -100 for word, seen in zip(row["input_ids"], row["attention_mask"], strict=True)]
        rows.append({"input_ids": row["input_ids"], "attention_mask": row["attention_mask"], "labels": labels})
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(model, TrainingArguments(
            scratch, per_device_train_batch_size=_BATCH, num_train_epochs=1, use_cpu=True, report_to="none",
            save_strategy="no", logging_strategy="no", disable_tqdm=True), train_dataset=rows)
        began = time.perf_counter()
        trainer.train()
        return tokens / (time.perf_counter() - began)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        name, model = base_model(Path(scratch))
        examples = _EXAMPLES.get(name, _FEW)
        chats = Path(scratch) / "chats.jsonl"
        write_chats(chats, examples)
        our_rate = median_of(lambda: ours(model, chats, Path(tempfile.mkdtemp(dir=scratch))))
        their_rate = theirs(model, chats)
    show(f"Training, LoRA, {examples} chats, batches of {_BATCH}, {name}",
         f"a plain Trainer with padding to {_CONTEXT} tokens", [
             Line("tokens of chats (padding not counted)", "tokens/s", our_rate, their_rate)])


if __name__ == "__main__":
    if len(sys.argv) == 3:
        rate = median_of(lambda: train_plainly(sys.argv[1], Path(sys.argv[2])))
        sys.stdout.write(f"\n{rate}\n")
    else:
        main()
