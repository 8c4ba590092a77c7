"""Loads the base model, decides which of its weights move, and saves them again as something that can be served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel, set_seed

from worker.training.failures import base_model_unavailable
from worker.training.plan import Plan

_ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]


def load_model(plan: Plan, *, device: torch.device, checkpoint: Path | None) -> Any:
    """Load the model with exactly the weights that move set to require a gradient.

    It goes on from `checkpoint` of this job, else from `plan.start_from`, else from the base. Adapters are always
    float32; a frozen base is bfloat16 on GPUs that compute in it, and everything is float32 elsewhere.
    Returns a PreTrainedModel, or a PeftModel for LoRA. Raises JobFailed when a model cannot be loaded.
    """
    set_seed(plan.seed)
    if plan.tuning.type == "lora":
        return _with_adapter(plan, device, checkpoint)
    model = _whole_model(plan, checkpoint)
    if plan.tuning.type == "last_layers":
        _freeze_all_but_last(model, plan.tuning.layers)
    return model


def compute_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes in it; CPUs are some hundred times slower in it than in float32."""
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else torch.float32


def save_model(model: Any, tokenizer: Any, destination: Path, *, base_name: str) -> None:
    """Write an adapter (safetensors and its config), or a whole model with its tokenizer; raises OSError."""
    if not isinstance(model, PeftModel):
        model.save_pretrained(destination)
        tokenizer.save_pretrained(destination)
        return
    config = model.peft_config["default"]
    config.base_model_name_or_path = base_name  # a name: the trainer's own path means nothing elsewhere
    # PEFT would look for the base to see whether its vocabulary grew, which we never do.
    model.save_pretrained(str(destination), save_embedding_layers=False)
    (destination / "README.md").unlink(missing_ok=True)  # a model card with nothing in it


def _with_adapter(plan: Plan, device: torch.device, checkpoint: Path | None) -> Any:
    base = _load(_base_directory(plan), compute_dtype(device))
    start = plan.start_from
    adapter = checkpoint or (Path(start.path) if start and start.kind == "adapter" else None)
    if adapter is not None:
        config = LoraConfig.from_pretrained(str(adapter))
        config.lora_dropout = plan.tuning.dropout
        config.inference_mode = False
        return PeftModel.from_pretrained(base, str(adapter), is_trainable=True, config=config)
    config = LoraConfig(
        r=plan.tuning.rank,
        lora_alpha=plan.tuning.effective_alpha,  # type: ignore[arg-type]  # PEFT divides it, a float is as good
        lora_dropout=plan.tuning.dropout,
        # Expert weights are left alone: PEFT is slow on them and servers have ignored such adapters in silence.
        target_modules=_ATTENTION if _has_experts(base) else "all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


def _whole_model(plan: Plan, checkpoint: Path | None) -> Any:
    # Weights that move are kept in float32 also on GPUs, where autocast computes in bfloat16: small steps would be
    # rounded away otherwise.
    if checkpoint is not None:
        return _load(str(checkpoint), torch.float32)
    model = _load(_base_directory(plan), torch.float32)
    if plan.start_from and plan.start_from.kind == "adapter":
        model = PeftModel.from_pretrained(model, plan.start_from.path).merge_and_unload()
    return model


def _base_directory(plan: Plan) -> str:
    return plan.start_from.path if plan.start_from and plan.start_from.kind == "model" else plan.base_model


def _load(directory: str, dtype: torch.dtype) -> PreTrainedModel:
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            directory, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as reason:
        raise base_model_unavailable(f"its weights cannot be loaded ({reason})") from reason
    model.config.use_cache = False
    return model


def _has_experts(model: PreTrainedModel) -> bool:
    config = model.config.get_text_config()
    return any(getattr(config, name, None) for name in ("num_experts", "num_local_experts", "n_routed_experts"))


def _freeze_all_but_last(model: PreTrainedModel, layers: int) -> None:
    """Let the last blocks, the final norm and an untied head move. Blocks are numbered `…layers.N.…` in every model."""
    block = re.compile(r"\.layers\.(\d+)\.")
    names = [name for name, _ in model.named_parameters()]
    numbers = [int(found[1]) for name in names if (found := block.search(name))]
    if not numbers:
        raise base_model_unavailable("its layers are not numbered as last_layers tuning needs")
    first_moving = max(numbers) + 1 - layers
    embeddings = {id(parameter) for parameter in model.get_input_embeddings().parameters()}
    for name, parameter in model.named_parameters():
        found = block.search(name)
        is_late = int(found[1]) >= first_moving if found else id(parameter) not in embeddings
        parameter.requires_grad_(is_late)
