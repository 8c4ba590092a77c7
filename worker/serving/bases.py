"""Loads a base model or a full fine-tune from a local directory: weights, tokenizer, template, limits."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from . import manifests
from .refusals import Refusal, invalid


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dtype() -> torch.dtype:
    """bf16 is fast on GPUs and slow, or emulated, on most CPUs."""
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


class Tokenizer:
    """The three things the server asks of a Hugging Face tokenizer, typed."""

    def __init__(self, inner: PreTrainedTokenizerFast) -> None:
        self.inner = inner
        self.template: str = inner.get_chat_template()
        self._byte_of = _byte_alphabet() if _is_byte_level(inner) else {}

    def encode(self, text: str) -> list[int]:
        """Ids of a rendered prompt; the template has already written every special token."""
        return cast("list[int]", self.inner.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        return cast("str", self.inner.decode(list(ids), **options))

    def bytes_of(self, token: int) -> bytes:
        """The exact bytes of one token, which need not be whole characters."""
        piece = self.inner.convert_ids_to_tokens(token)
        if isinstance(piece, str) and piece and all(sign in self._byte_of for sign in piece):
            return bytes(self._byte_of[sign] for sign in piece)
        return cast("str", self.inner.decode([token])).encode()


@dataclass(frozen=True)
class Base:
    """A loaded model; `context` is in tokens, `stops` are the ids that end an answer."""

    path: str
    model: Any
    tokenizer: Tokenizer
    stops: frozenset[int]
    context: int
    fingerprint: str


def load(path: str, *, max_context: int) -> Base:
    """Read a model directory in the Hugging Face layout; a `Refusal` says what is wrong with it."""
    folder = manifests.folder(path, needs=["config.json"])
    if not any(folder.glob("*.safetensors")):
        raise invalid(f"'{path}' has no .safetensors weights; pickled weights are never loaded.", param="model_path")
    manifests.verify(folder, required=False)
    try:
        return _load(folder, max_context)
    except Refusal:
        raise
    except Exception as problem:  # transformers raises anything on a broken directory
        message = f"'{path}' cannot be loaded as a causal language model: {str(problem)[:300]}"
        raise invalid(message, param="model_path", code="model_not_loadable") from problem


def _load(folder: Path, max_context: int) -> Base:
    local = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or not tokenizer.chat_template:
        raise invalid(f"'{folder}' has no fast tokenizer with a chat template.", param="model_path")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype(), use_safetensors=True, **local)
    model.eval().requires_grad_(requires_grad=False).to(device())
    return Base(
        path=str(folder),
        model=model,
        tokenizer=Tokenizer(tokenizer),
        stops=_stop_ids(model, tokenizer),
        context=min(getattr(model.config, "max_position_embeddings", max_context), max_context),
        fingerprint=manifests.fingerprint(folder),
    )


def _stop_ids(model: Any, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    named = [model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id]
    flat = [token for ids in named for token in (ids if isinstance(ids, list) else [ids])]
    return frozenset(token for token in flat if token is not None)


def _is_byte_level(tokenizer: PreTrainedTokenizerFast) -> bool:
    return "ByteLevel" in json.dumps(json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder"))


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet backwards: printable bytes stand for themselves, the others for U+0100 onwards."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
