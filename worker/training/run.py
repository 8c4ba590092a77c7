"""Runs one job from its plan to its last record: load, render, train, finish. Read it from top to bottom."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import msgspec
import torch
from accelerate import PartialState
from trl.trainer.sft_config import SFTConfig

from worker.training.batches import Step, schedule
from worker.training.checkpoints import TRAINER_STATE, Checkpoints
from worker.training.conversations import BadConversation, read_conversations
from worker.training.evaluation import Validation
from worker.training.failures import JobFailed, explain
from worker.training.models import compute_dtype, load_model
from worker.training.plan import CHECKPOINTS, PROGRESS_FILE, STOP_FILE, ExitCode, Plan, read_plan
from worker.training.progress import FailureCode, Finished, ProgressWriter, Stage, Started, Stopped, StopReason
from worker.training.rendering import Example, Renderer, render_all
from worker.training.stopping import Cancelled, Preempted, StopFlag
from worker.training.tokenizers import load_tokenizer
from worker.training.trainer import ChatTrainer

# Times the plan's multiplier. The field's usual values; `lora` was measured on SmolLM2-135M with short chats.
BASE_LEARNING_RATE = {"lora": 4e-4, "full": 5e-5, "last_layers": 2e-4}
_WARM_UP = 0.05  # of all steps, at most 100
_MICRO_BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}


def run(run_dir: Path, *, parent: int | None = None) -> ExitCode:
    """Run or resume the job of a directory until it is finished, failed or stopped; never raises.

    `parent` is a descriptor as `stopping.parent_pipe` opens it. Call it from the main thread of a process of its own.
    """
    progress = ProgressWriter(run_dir / PROGRESS_FILE, silent=os.environ.get("RANK", "0") != "0")  # torchrun's
    checkpoints: list[Checkpoints] = []

    def tell_stopped(reason: StopReason) -> None:
        steps = checkpoints[0].steps() if checkpoints and reason != "cancel" else []
        path = str(checkpoints[0].path(steps[-1])) if steps else None
        progress.write(Stopped(reason=reason, step=steps[-1] if steps else 0, checkpoint=path))

    stop = StopFlag(tell_stopped)
    stop.watch(run_dir / STOP_FILE, parent)
    try:
        plan = _plan(run_dir)
        checkpoints.append(Checkpoints(run_dir / CHECKPOINTS, keep=plan.knobs.checkpoints_to_keep))
        finished = _train(plan, checkpoints[0], progress, stop)
    except Cancelled:
        tell_stopped("cancel")
        return ExitCode.CANCELLED
    except Preempted:
        tell_stopped(stop.reason or "sigterm")
        return ExitCode.PREEMPTED
    except BaseException as error:  # noqa: BLE001  # whatever it is, it must end in a record
        traceback.print_exc()
        failed = explain(error)
        try:
            progress.write(failed)
        except OSError as full:
            print(f"{failed.code}: {failed.message} ({full})", file=sys.stderr)  # noqa: T201  # no other way is left
        return ExitCode.CRASHED if failed.code.is_retriable else ExitCode.REJECTED
    if finished:
        return ExitCode.FINISHED
    tell_stopped(stop.reason or "sigterm")
    return ExitCode.PREEMPTED


def _plan(run_dir: Path) -> Plan:
    try:
        return read_plan(run_dir)
    except (OSError, msgspec.MsgspecError) as wrong:
        raise JobFailed(FailureCode.INVALID_PLAN, f"The plan of the training run cannot be read: {wrong}") from wrong


def _train(plan: Plan, checkpoints: Checkpoints, progress: ProgressWriter, stop: StopFlag) -> bool:
    """Do the work; returns False when it was stopped after a checkpoint."""
    if plan.knobs.threads:
        torch.set_num_threads(plan.knobs.threads)
    on_cpu = not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu)
    device, max_tokens = state.device, plan.knobs.max_tokens_per_micro_batch
    max_tokens = max_tokens or _MICRO_BATCH_TOKENS["cpu" if on_cpu else "cuda"]

    progress.write(Stage(name="rendering"))
    tokenizer = load_tokenizer(plan.base_model)
    renderer = Renderer(tokenizer, context_length=plan.context_length)
    examples, skipped = _examples(plan.training_file, renderer, stop, FailureCode.INVALID_TRAINING_FILE)
    if not examples:
        raise JobFailed(
            FailureCode.NO_TRAINABLE_TOKENS,
            "No example of the training file has anything to learn: every assistant message is missing, has weight 0, "
            f"or lies beyond the context of {plan.context_length} tokens.",
            param="training_file",
        )
    validation: list[Example] = []
    if plan.validation_file:
        validation, _ = _examples(plan.validation_file, renderer, stop, FailureCode.INVALID_VALIDATION_FILE)
    lengths = [len(example.input_ids) for example in examples]
    steps = schedule(lengths, batch_size=plan.batch_size, n_epochs=plan.n_epochs, seed=plan.seed)

    progress.write(Stage(name="loading_model"))
    stop.check_any()
    # One process looks and cleans up; the others wait and then find what it left.
    with state.main_process_first():
        done = checkpoints.newest()
    resume = checkpoints.path(done) if done is not None else None
    model = load_model(plan, device=device, checkpoint=resume)
    trainer = ChatTrainer(
        model,
        tokenizer,
        config=_config(plan, checkpoints.root, steps, model, on_cpu=on_cpu, max_tokens=max_tokens),
        examples=examples,
        steps=steps,
        validation=Validation(validation, plan.batch_size, max_tokens, stop),
        max_tokens=max_tokens,
        checkpoints=checkpoints,
        progress=progress,
        stop=stop,
        base_name=Path(plan.base_model).name,
    )
    stop.check_any()
    progress.write(
        Started(
            total_steps=len(steps),
            n_examples=len(examples),
            n_examples_skipped=skipped,
            n_examples_truncated=sum(example.was_truncated for example in examples),
            n_validation_examples=len(validation),
            trained_tokens_per_epoch=sum(lengths),
            trainable_tokens=sum(example.learned_tokens for example in examples),
            parameters_trainable=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
            parameters_total=sum(weight.numel() for weight in model.parameters()),
            resumed_from_step=done or 0,
            device=str(device),
            dtype=str(compute_dtype(device)).removeprefix("torch."),
            sample=renderer.sample(examples[0]),
        )
    )
    if done != len(steps):  # else it was killed between its last checkpoint and its last record
        progress.write(Stage(name="training"))
        trainer.train(resume_from_checkpoint=str(resume / TRAINER_STATE) if resume else None)
        if trainer.was_stopped:
            return False
    final = checkpoints.path(len(steps))
    tokens = sum(lengths) * plan.n_epochs
    progress.write(Finished(trained_tokens=tokens, checkpoint=str(final), metrics=trainer.metrics))
    return True


def _examples(path: str, renderer: Renderer, stop: StopFlag, code: FailureCode) -> tuple[list[Example], int]:
    try:
        return render_all(renderer, read_conversations(Path(path)), between=stop.check_any)
    except (BadConversation, ValueError) as wrong:
        raise JobFailed(code, str(wrong), param=code.removeprefix("invalid_")) from wrong


def _config(
    plan: Plan, checkpoints: Path, steps: list[Step], model: torch.nn.Module, *, on_cpu: bool, max_tokens: int
) -> SFTConfig:
    """What the Trainer is told; everything that it would decide by itself is decided here."""
    return SFTConfig(
        output_dir=str(checkpoints),
        seed=plan.seed,
        max_steps=len(steps),
        per_device_train_batch_size=1,  # one item of our loader is one step
        gradient_accumulation_steps=1,
        learning_rate=BASE_LEARNING_RATE[plan.tuning.type] * plan.learning_rate_multiplier,
        lr_scheduler_type="cosine",
        warmup_steps=min(100, round(len(steps) * _WARM_UP)),
        optim="adamw_torch_fused",
        weight_decay=0.0,
        max_grad_norm=1.0,
        use_cpu=on_cpu,
        bf16=not on_cpu and compute_dtype(torch.device("cuda")) == torch.bfloat16,
        gradient_checkpointing=not on_cpu and not _activations_fit(model, max_tokens),
        ddp_find_unused_parameters=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        remove_unused_columns=False,
        router_aux_loss_coef=0.0,
        average_tokens_across_devices=False,  # done by our loss
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )


def _activations_fit(model: torch.nn.Module, max_tokens: int) -> bool:
    """Whether a micro-batch's activations fit on the GPU without recomputing them, which costs half as much again.

    About 60 bytes per token, layer and unit of width; the factor 2 leaves room for the optimizer and the loss.
    """
    config = model.config.get_text_config()  # type: ignore[operator, union-attr]  # every Hugging Face model has it
    needed = 60 * max_tokens * config.num_hidden_layers * config.hidden_size
    free: int = torch.cuda.mem_get_info()[0]
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return bool(2 * needed + 4 * weights < free)
