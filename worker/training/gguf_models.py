"""Converts a GGUF file into the Hugging Face layout that everything else here loads, in bfloat16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers.utils.logging
from transformers import AutoModelForCausalLM, AutoTokenizer

_QUESTION = "What is the capital of France?"
_ANSWER = "Paris"


def convert(gguf: Path, destination: Path) -> None:
    """Write the model and tokenizer of a chat GGUF into an existing directory, and ask it a question.

    The weights come out of 4 bits, so that bfloat16 keeps all they hold (greedy answers are the same) in half the
    space of float32. Raises ValueError when the model does not answer as it should, and OSError.
    """
    logging: Any = transformers.utils.logging
    logging.disable_progress_bar()
    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    quantized: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers refuses to save what was loaded as GGUF, so the weights move into a model that knows nothing of it.
    described = quantized.config.to_dict()
    for trace in ("quantization_config", "_model_name_or_path"):
        described.pop(trace, None)
    empty: Any = AutoModelForCausalLM.from_config
    model = empty(type(quantized.config).from_dict(described), dtype=torch.bfloat16)
    model.load_state_dict(quantized.state_dict())
    model.generation_config = quantized.generation_config
    model.save_pretrained(destination)
    tokenizer.save_pretrained(destination)
    answer = _ask(destination)
    if _ANSWER not in answer:
        raise ValueError(f"The converted model answers {answer!r} to {_QUESTION!r}: the conversion went wrong.")


def _ask(directory: Path) -> str:
    """Answer the question greedily with the files as they were written."""
    tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    chat = [{"role": "user", "content": _QUESTION}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**asked, max_new_tokens=12, do_sample=False)
    text: str = tokenizer.decode(said[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return text
