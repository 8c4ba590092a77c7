"""Loaded once by the server that forks training processes, so that each starts with everything imported."""

import gc
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

import worker.training.run  # noqa: F401  # what the processes run
from worker.training.base_models import tiny
from worker.training.tokenizers import load_tokenizer

torch.set_num_threads(1)  # no thread may be alive when the server forks
with tempfile.TemporaryDirectory() as scratch:
    directory = str(tiny(Path(scratch) / "tiny"))
    load_tokenizer(directory)
    get_peft_model(AutoModelForCausalLM.from_pretrained(directory), LoraConfig(target_modules="all-linear"))
gc.freeze()  # the processes need not look through all of this again
