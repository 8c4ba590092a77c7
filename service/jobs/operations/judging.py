"""What is right and wrong with training one model on some files: reasons, and the verdict that they come to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from service.catalog.base_models import BaseModelEntry, MethodName
from service.catalog.estimates import Estimate
from service.catalog.retirement import LifePolicy, breaks
from service.datasets.analysis.report import Report
from service.datasets.validation.examination import MIN_EXAMPLES, NEEDS_VALIDATION, too_few, too_many
from service.jobs.schemas.preflights import Reason, Verdict
from service.settings import settings

Role = Literal["training_file", "validation_file"]
RETIRES = "model_retires"
_ORDER = {"block": 0, "warn": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one file of a job."""

    role: Role
    file_id: str
    report: Report | None
    problem: str | None = None
    "Why there will be no report."
    is_lost: bool = False


def verdict_of(reasons: Sequence[Reason]) -> Verdict:
    severities = {reason.severity for reason in reasons}
    return "block" if "block" in severities else "warn" if "warn" in severities else "go"


def ordered(reasons: Sequence[Reason]) -> list[Reason]:
    """The weightiest first."""
    return sorted(reasons, key=lambda reason: _ORDER[reason.severity])


def about_file(file: Reading, *, is_final: bool = False) -> Iterator[Reason]:
    """What reading the file told, whatever is trained on it. `is_final`: what is not known by now never will be."""
    called, report = file.role.replace("_", " "), file.report
    if is_final and report is None and file.problem is None and not file.is_lost:
        yield block("unread_file", f"The {called} {file.file_id} was not read by the time of this verdict, so nothing"
                    " is known of it. Make another pre-flight once GET /v1/files says that it is processed.", file.role)
    if file.is_lost:
        yield block("file_gone", f"The {called} {file.file_id} was deleted or expired.", file.role)
    elif file.problem is not None:
        yield block("unreadable_file", f"The {called} could not be read: {file.problem}", file.role)
    if report is None:
        return
    if report.errors:
        yield block("invalid_file_format", f"{report.errors:,} error{'s' * (report.errors > 1)} in the {called}:"
                    f" see GET /v1/files/{file.file_id}/validation/findings.", file.role)
    if file.role == "training_file" and report.examples < MIN_EXAMPLES:
        yield block("invalid_n_examples", too_few(report.examples), file.role)
    if report.verdict != "go" and not report.errors:
        for words in report.reasons or [f"The {called} has {report.warnings:,} warnings."]:
            yield Reason(severity="warn", code="data", message=words, param=file.role)


def about_retirement(entry: BaseModelEntry, today: date, policies: Sequence[LifePolicy]) -> Iterator[Reason]:
    """A model that is gone cannot be trained; one that goes soon takes every model tuned from it along."""
    soon = today + timedelta(days=settings().retirement_warning_days)
    ends, shut, ended = entry.training_ends, entry.shutdown_date, entry.ended(today)
    if ended is not None:
        yield block("model_shut_down" if shut is not None and shut <= today else "training_ended", ended, "model")
    elif shut is not None:
        yield from _about_life(entry, shut - today, [each for each in policies if breaks(each, entry, today)])
    if ends is not None and today < ends <= soon:
        yield warn("training_ends", f"{entry.id} can be trained until {ends}, for {_days(ends - today)} more.", "model")


def _about_life(entry: BaseModelEntry, left: timedelta, broken: Sequence[LifePolicy]) -> Iterator[Reason]:
    """What the policies make of a model that still lives for so long; the strictest decides."""
    told = (f"{entry.id} SHUTS DOWN ON {entry.shutdown_date}, in {_days(left)}, and every model tuned from it stops"
            " with it.")
    refusing = [policy.min_days for policy in broken if policy.action == "refuse"]
    if refusing:
        yield block(RETIRES, f"{told} A model must live for {max(refusing)} days to be trained here (GET"
                    " /v1/fine_tuning/policy). Choose one that lives on.", "model")
    elif broken:
        yield warn(RETIRES, f"{told} What you pay for now is gone then: think of a model of your own house.", "model")


def _days(left: timedelta) -> str:
    return f"{left.days} day{'s' * (left.days != 1)}"


def about_method(entry: BaseModelEntry, method: MethodName) -> Iterator[Reason]:
    """Whether the model can be trained in this way."""
    if method not in entry.methods:
        supported = ", ".join(entry.methods) or "none"
        yield block("fine_tuning_method_not_available", f"Model {entry.id} does not support the {method} fine-tuning"
                    f" method here. It supports: {supported}.", "method.type")


def about_limits(method: MethodName, files: Sequence[Reading]) -> Iterator[Reason]:
    """What a method asks of its files besides their format."""
    if method == "reinforcement" and len(files) == 1:
        yield block("missing_validation_file", NEEDS_VALIDATION, "validation_file")
    for file in files:
        words = too_many(file.role, method, file.report.examples) if file.report is not None else None
        if words is not None:
            yield block("invalid_n_examples", words, file.role)


def about_format(entry: BaseModelEntry, method: MethodName, file: Reading) -> Iterator[Reason]:
    """Whether the file is of the kind that this model and method read."""
    if file.report is None or file.report.format is None or file.report.errors:
        return
    found = file.report.format
    needed = "preference" if method == "dpo" else "reinforcement" if method == "reinforcement" else (
        "completion" if entry.legacy else "chat")
    if found == needed:
        return
    if method == "supervised" and found in {"chat", "completion"}:
        message = (f"{entry.id} learns from {needed} lines, and the {file.role.replace('_', ' ')} {file.file_id} holds"
                   f" {found} lines.")
    else:
        method_of = {"chat": "supervised", "completion": "supervised", "preference": "dpo"}.get(found, found)
        message = (f"Input file {file.file_id} is in the fine-tune-{found} format, but the specified fine-tuning job"
                   f" is not using '{method_of}' as the training method (provided method={method}).")
    yield block("invalid_file_format", message, file.role)


def about_estimate(entry: BaseModelEntry, found: Estimate) -> Iterator[Reason]:
    """What the numbers say."""
    over = found.over_context
    if over is not None:
        many = over.examples > 1
        yield warn("truncated_examples", f"{over.examples:,} example{'s' * many} {'are' if many else 'is'} longer than"
                   f" the {over.context:,} tokens that {entry.id} reads in training; the last {over.tokens:,} tokens"
                   " are cut off, and answers at the end with them.", "training_file")
    if not found.tokens.exact:
        yield Reason(severity="info", code="tokens_not_exact", message=f"Tokens of {entry.id}: {found.tokens.basis}.",
                     param=None)
    if entry.provider == "local":
        yield from _about_memory(entry, found)


def _about_memory(entry: BaseModelEntry, found: Estimate) -> Iterator[Reason]:
    best = next(iter(found.memory), None)
    if best is None or best.available is None:
        yield Reason(severity="info", code="no_machine_known", param="model", message="No training machine has told"
                     " of itself in the last 3 days, so neither memory nor time can be compared with what is there.")
    elif best.fits == "no":
        yield block("out_of_memory", f"{entry.id} needs about {_gib(best.needed)} to train so; the largest there is,"
                    f" {best.device}, has {_gib(best.available)}. Choose lora, fewer tokens an example, or a smaller"
                    " model.", "model")
    elif best.fits == "unknown":
        yield warn("memory_is_close", f"{entry.id} needs about {_gib(best.needed)}; {best.device} has"
                   f" {_gib(best.available)}: too close to tell.", "model")


def _gib(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"


def block(code: str, message: str, param: str | None) -> Reason:
    return Reason(severity="block", code=code, message=message, param=param)


def warn(code: str, message: str, param: str | None) -> Reason:
    return Reason(severity="warn", code=code, message=message, param=param)
