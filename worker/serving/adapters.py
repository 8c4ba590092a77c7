"""Checks LoRA adapters against their base, attaches them beside its one copy, and proves that they act."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file

from . import manifests
from .bases import Base, device
from .refusals import Refusal, invalid

log = logging.getLogger(__name__)

BASE_ONLY = "__base__"  # PEFT's own word for a row of the batch that uses no adapter
WEIGHTS = "adapter_model.safetensors"
_KEY = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")
_CANARY = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True)
class Weights:
    """An adapter read from disk and verified, not yet attached: configuration and tensors on the CPU."""

    path: str
    config: LoraConfig
    tensors: dict[str, torch.Tensor]

    @property
    def is_untrained(self) -> bool:
        return not any(tensor.any() for name, tensor in self.tensors.items() if ".lora_B." in name)


def read(path: str, *, allow_unverified: bool) -> Weights:
    """Read an adapter directory; only safetensors, only what its manifest vouches for."""
    folder = manifests.folder(path, needs=["adapter_config.json", WEIGHTS])
    manifests.verify(folder, required=not allow_unverified)
    try:
        config = LoraConfig.from_pretrained(str(folder))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as problem:
        message = f"'{folder}' is not a readable LoRA adapter: {str(problem)[:300]}"
        raise _unfit(message) from problem
    _check_kind(config, folder)
    return Weights(str(folder), config, tensors)


def _unfit(message: str) -> Refusal:
    return invalid(message, param="lora_path", code="adapter_incompatible")


def _check_kind(config: LoraConfig, folder: Path) -> None:
    """Rows of one batch can only mix plain LoRA; anything else would be dropped in silence."""
    demands = {
        "peft_type": getattr(config.peft_type, "value", config.peft_type) != "LORA",
        "use_dora": bool(config.use_dora),
        "bias": config.bias != "none",
        "modules_to_save": bool(config.modules_to_save),
        "trainable_token_indices": bool(getattr(config, "trainable_token_indices", None)),
        "target_parameters": bool(getattr(config, "target_parameters", None)),
        "layer_replication": bool(config.layer_replication),
    }
    refused = [name for name, is_set in demands.items() if is_set]
    if refused:
        raise _unfit(f"'{folder}' uses {', '.join(refused)}: merge it into a full model and load that instead.")


def check_fit(base: Base, weights: Weights) -> None:
    """Every tensor must meet a linear layer of the base in the right shape; the message names the first that fails."""
    if not weights.tensors:
        raise _unfit(f"'{weights.path}' holds no tensors.")
    for name, tensor in weights.tensors.items():
        match = _KEY.match(name)
        if match is None:
            raise _unfit(f"'{name}' is not a LoRA weight of a linear layer.")
        layer = _layer(base.model, match["module"])
        if not isinstance(layer, torch.nn.Linear):
            raise _unfit(f"'{name}' belongs to '{match['module']}', which is no linear layer of this base model.")
        axis, wanted = (1, layer.in_features) if match["side"] == "A" else (0, layer.out_features)
        if tensor.ndim != 2 or tensor.shape[axis] != wanted:
            shape = tuple(tensor.shape)
            raise _unfit(f"'{name}' has shape {shape}, but this base model needs {wanted} on axis {axis}.")


def _layer(model: torch.nn.Module, path: str) -> Any:
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return None
    return module.base_layer if isinstance(module, LoraLayer) else module


class Adapters:
    """The adapters attached to one base; every method runs on the engine's thread."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._peft: PeftModel | None = None
        self._hooked: set[int] = set()
        self._rows: list[str] = []

    def rows(self, keys: list[str]) -> None:
        """Say which adapter each row of the next forward pass uses, in order."""
        self._rows[:] = keys

    @torch.inference_mode()
    def attach(self, key: str, weights: Weights) -> None:
        check_fit(self._base, weights)
        try:
            self._insert(key, weights)
            self._canary(key, weights)
        except Refusal:
            self.detach(key)
            raise
        except (ValueError, TypeError, RuntimeError, KeyError) as problem:
            self.detach(key)
            raise _unfit(f"'{weights.path}' does not fit this base model: {str(problem)[:300]}") from problem

    def detach(self, key: str) -> None:
        if self._peft is not None and key in self._peft.peft_config:
            self._peft.delete_adapter(key)

    def _insert(self, key: str, weights: Weights) -> None:
        weights.config.inference_mode = True
        if self._peft is None:
            self._peft = PeftModel(self._base.model, weights.config, adapter_name=key, low_cpu_mem_usage=True)
        else:
            self._peft.add_adapter(key, weights.config, low_cpu_mem_usage=True)
        tensors = {name: tensor.to(device()) for name, tensor in weights.tensors.items()}
        loaded: Any = set_peft_model_state_dict(self._peft, tensors, adapter_name=key, low_cpu_mem_usage=True)
        absent = [name for name in loaded.missing_keys if f".{key}." in name]
        if absent or loaded.unexpected_keys:
            names = ", ".join([*absent, *loaded.unexpected_keys][:3])
            raise _unfit(f"'{weights.path}' and its configuration disagree about: {names}.")
        self._peft.eval()
        self._hook()

    def _hook(self) -> None:
        """PEFT's own hooks for mixed batches, set once: setting 210 of them per token costs more than the matrices."""
        layers = [module for module in self._base.model.modules() if isinstance(module, LoraLayer)]
        for layer in layers:
            module: Any = layer
            if id(module) not in self._hooked:
                module.register_forward_pre_hook(self._name_rows, with_kwargs=True)
                self._hooked.add(id(module))

    def _name_rows(self, _module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**kwargs, "adapter_names": self._rows}

    def _canary(self, key: str, weights: Weights) -> None:
        """Adapters whose names miss their modules act as the base without a word; this is where it shows."""
        prompt = self._base.tokenizer.encode(_CANARY) or [0]
        self.rows([BASE_ONLY, key])
        logits = self._base.model(input_ids=torch.tensor([prompt, prompt], device=device())).logits.float()
        plain, tuned = torch.log_softmax(logits, dim=-1)
        if not torch.isfinite(tuned).all():
            raise _unfit(f"With '{weights.path}' the model answers NaN or infinity.")
        if not torch.equal(plain, tuned):
            return
        if not weights.is_untrained:
            raise _unfit(f"'{weights.path}' changes nothing in the base model's answers, although it was trained.")
        log.warning("adapter %s is untrained (every lora_B is zero): it answers as its base", weights.path)
