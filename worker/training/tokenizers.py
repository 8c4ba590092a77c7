"""Loads the tokenizer of a base model. Needs no torch, so that counting starts fast."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer

from worker.training.failures import base_model_unavailable


def load_tokenizer(directory: str) -> Any:
    """Load a tokenizer that knows how to render a chat; raises JobFailed when it does not."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as reason:
        raise base_model_unavailable(f"its tokenizer cannot be loaded ({reason})") from reason
    if not getattr(tokenizer, "chat_template", None) or not tokenizer.is_fast:
        raise base_model_unavailable("its tokenizer has no chat template, or is not one of the fast kind")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
