"""Puts together what is known of a job before it begins: its files, and for each model what training it would be."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog import queries as catalog_queries
from service.catalog.base_models import BaseModelEntry
from service.catalog.durations import Device
from service.catalog.errors import ModelNotFound, TuningNotAvailable
from service.catalog.estimates import Estimate, Place, estimate
from service.catalog.methods import Method
from service.catalog.operations import ResolvedModel
from service.catalog.retirement import LifePolicy
from service.credentials import queries as credential_queries
from service.datasets import operations as datasets
from service.datasets.analysis.report import Report, TokenStats
from service.datasets.queries import reports as report_queries
from service.files import queries as file_queries
from service.jobs import queries
from service.jobs.errors import TuningDoesNotFit
from service.jobs.operations import judging, placing
from service.jobs.operations.asking import asked_method, asked_tuning
from service.jobs.operations.judging import Reading, Role
from service.jobs.operations.policies import life_policies, problems_with
from service.jobs.schemas.preflights import Candidate, FileSummary, PreflightCreate, PreflightReport, Reason, Wait
from service.kit.database import database_now
from service.kit.errors import InvalidRequest


def readings(session: Session, body: PreflightCreate) -> list[Reading]:
    """The files of a job, training file first."""
    found = [_reading(session, "training_file", body.training_file)]
    if body.validation_file is not None:
        found.append(_reading(session, "validation_file", body.validation_file))
    return found


def _reading(session: Session, role: Role, name: str) -> Reading:
    version = datasets.unfinished(session, name)
    if version is not None:
        return Reading(role, name, None, version.error if version.status == "failed" else None)
    file = file_queries.find(session, name)
    if file is None:
        return Reading(role, name, None, is_lost=True)
    report = datasets.reports_of(session, file.id) or _older_report(session, file.id)
    problem = file.status_details if report is None and file.status == "error" else None
    return Reading(role, file.id, report, problem)


def _older_report(session: Session, file_id: str) -> Report | None:
    """What was kept of files that were read before whole reports were."""
    row = report_queries.report(session, file_id)
    if row is None or row.status != "completed":
        return None
    return Report(format=row.format, bytes=0, lines=row.lines, examples=row.examples, errors=row.errors,
                  warnings=row.warnings, infos=0, counts=row.counts, reasons=[], tokens=None,
                  verdict="block" if row.errors else "warn" if row.warnings else "go")


def is_settled(file: Reading) -> bool:
    """Nothing more will be known of this file."""
    return file.report is not None or file.problem is not None or file.is_lost


def assess(session: Session, project_id: str, body: PreflightCreate, *,
           leakage: Mapping[str, Any] | None, is_final: bool = False) -> PreflightReport:
    """The whole report, of what is known by now; `is_final` when it is to be kept as it is."""
    files = readings(session, body)
    method = asked_method(body)
    now, policies = database_now(session), life_policies(session, project_id)
    candidates = [_candidate(session, name, body, files, now, policies)
                  for name in dict.fromkeys([body.model, *body.candidates])]
    policy = problems_with(session, project_id, files[0].file_id, files[1].file_id if len(files) > 1 else None)
    reasons = [reason for file in files for reason in judging.about_file(file, is_final=is_final)]
    reasons += [*judging.about_limits(method.type, files), *_about_leakage(leakage), *candidates[0].reasons]
    reasons += [judging.block("training_policy", problem.message, problem.param) for problem in policy]
    return PreflightReport(
        reasons=judging.ordered(reasons), training_file=_summary(session, files[0]),
        validation_file=_summary(session, files[1]) if len(files) > 1 else None, leakage=dict(leakage) if leakage else
        None, candidates=candidates, policy=[problem.message for problem in policy])


def _about_leakage(leakage: Mapping[str, Any] | None) -> Iterator[Reason]:
    shared = (leakage["exact"] + leakage["near"]) if leakage else 0
    if leakage and shared:
        yield judging.warn("leakage", f"{shared:,} of {leakage['examples']:,} validation examples are in the training"
                           f" file too, {leakage['exact']:,} of them exactly: the validation loss will look better"
                           " than the model is.", "validation_file")


def _candidate(session: Session, name: str, body: PreflightCreate, files: list[Reading], now: datetime,
               policies: Sequence[LifePolicy]) -> Candidate:
    method = asked_method(body)
    try:
        model = catalog.resolve(session, name)
    except ModelNotFound:
        gone = judging.block("model_not_available", catalog.not_available(session, name).message, "model")
        return Candidate(model=name, base_model=None, provider=None, verdict="block", reasons=[gone], tuning=None,
                         method=method.type, method_fits=False, context_length=None, training_ends=None,
                         shutdown_date=None)
    entry, reasons = model.base, [*judging.about_method(model.base, method.type),
                                  *judging.about_retirement(model.base, now.date(), policies),
                                  *_about_provider(session, model, body, files)]
    for file in files:
        reasons += judging.about_format(entry, method.type, file)
    tuning, problem = _tuning(session, model, method)
    reasons += [problem] if problem else []
    found = None if method.type not in entry.methods else _estimate(session, entry, method, tuning, files[0])
    if found is not None:
        reasons += judging.about_estimate(entry, found)
    return Candidate(
        model=model.name, base_model=entry.id, provider=entry.provider, verdict=judging.verdict_of(reasons),
        reasons=judging.ordered(reasons), method=method.type, method_fits=method.type in entry.methods, tuning=tuning,
        context_length=entry.context_length, training_ends=_day(entry.training_ends),
        shutdown_date=_day(entry.shutdown_date), queue=_wait(session, entry, now), **_numbers(found))


def _about_provider(session: Session, model: ResolvedModel, body: PreflightCreate,
                    files: list[Reading]) -> Iterator[Reason]:
    """Whether somebody can pay for it, and whether the provider does what is asked."""
    wanted = body.credential if model.name == body.model or model.base.provider != placing.LOCAL else None
    try:
        yield from _about_credential(session, placing.credential_for(session, model, wanted))
    except InvalidRequest as missing:
        yield judging.block(str(missing.code), missing.message, missing.param)
    sizes = queries.sizes(session, {file.role: file.file_id for file in files})
    examples: dict[str, int] = {file.role: file.report.examples for file in files if file.report is not None}
    for obstacle in placing.obstacles(model, body, asked_method(body), sizes, examples=examples):
        if obstacle.param != "method.type":  # which the catalog says already
            yield judging.block(obstacle.code, obstacle.message, obstacle.param)


def _about_credential(session: Session, credential_id: str | None) -> Iterator[Reason]:
    """One that is asked for is taken though it does not work now: the job would wait until it does."""
    row = credential_queries.credential(session, credential_id) if credential_id is not None else None
    if row is not None and not row.works:
        why = {"refused": "its server refuses it", "unreachable": "its server cannot be reached"}[row.status]
        said = f" It was told: {row.status_details}" if row.status_details else ""
        yield judging.warn("credential_failing", f"Credential '{row.name}' does not work now: {why}, and a job waits"
                           f" until that is mended. Update it or check it again (POST /v1/credentials/{row.id}/check)."
                           f"{said}", "credential")


def _day(day: object) -> str | None:
    return None if day is None else str(day)


def _tuning(session: Session, model: ResolvedModel, method: Method) -> tuple[dict[str, Any] | None, Reason | None]:
    """Which weights would move, or why they cannot; nothing where the model leaves no choice."""
    if method.type != "supervised" or not model.base.methods.get("supervised"):
        return None, None
    try:
        tuning = asked_tuning(session, model, method.supervised)
        catalog.check_tuning(model, tuning.type)
    except (TuningDoesNotFit, TuningNotAvailable) as misfit:
        return None, judging.block(str(misfit.code), misfit.message, misfit.param)
    return tuning.shown(), None


def _estimate(session: Session, entry: BaseModelEntry, method: Method, tuning: dict[str, Any] | None,
              training: Reading) -> Estimate | None:
    stats = _tokens(session, entry, training)
    if stats is None or (entry.provider == "local" and tuning is None):
        return None
    kind = tuning["type"] if tuning else ""
    rates = catalog_queries.rates(session, entry.id, kind)
    places = [Place(machine.host, _device(machine), rates.get(machine.device, ()))
              for machine in catalog_queries.machines(session)] if entry.provider == "local" else []
    return estimate(entry, stats, method=method.type, hyperparameters=method.shown()[method.type]["hyperparameters"],
                    tuning=tuning, images=_images(training), places=places, rates=rates.get(entry.provider, ()))


def _device(machine: Any) -> Device:
    return Device(machine.kind, machine.device, machine.memory_bytes, machine.cores, machine.gflops)


def _tokens(session: Session, entry: BaseModelEntry, training: Reading) -> TokenStats | None:
    """By the model's own tokenizer if it is counted by now, else by the report's."""
    if training.report is None:
        return None
    return datasets.token_counts(session, training.file_id, entry.tokenizer_id) or training.report.tokens


def _images(training: Reading) -> Mapping[str, int]:
    """As the report counts them: no other count does."""
    tokens = training.report.tokens if training.report is not None else None
    return tokens.images if tokens is not None else {}


def _numbers(found: Estimate | None) -> dict[str, Any]:
    if found is None:
        return {}
    machines = [dataclasses.asdict(each) for each in found.memory]
    low, expected, high = found.billed
    return {"epochs": found.epochs, "batch_size": found.batch_size,
            "tokens_per_epoch": dataclasses.asdict(found.tokens),
            "billed_tokens": {"low": low, "expected": expected, "high": high},
            "over_context": dataclasses.asdict(found.over_context) if found.over_context else None,
            "cost": dataclasses.asdict(found.cost) | {"as_of": str(found.cost.as_of)},
            "duration": dataclasses.asdict(found.duration) if found.duration else None,
            "memory": machines[0] if machines else None, "machines": machines}


def _wait(session: Session, entry: BaseModelEntry, now: datetime) -> Wait:
    running, queued, ends = queries.ahead(session, entry.provider)
    seconds = 0 if not running and not queued else None
    if running and not queued and ends is not None:
        seconds = max(0, round((ends - now).total_seconds()))
    return Wait(running=running, queued=queued, seconds=seconds,
                        note="Only jobs of this project are counted; others may be waiting too.")


def _summary(session: Session, file: Reading) -> FileSummary:
    report = file.report
    if report is None:
        failed = file.is_lost or file.problem is not None
        is_there = file_queries.find(session, file.file_id) is not None
        done, total = datasets.progress(session, file.file_id) if is_there else (0, 0)
        return FileSummary(file_id=file.file_id, status="failed" if failed else "pending",
                           percent_read=round(100 * done / total, 1) if total else None)
    duplicates = report.duplicates
    return FileSummary(
        file_id=file.file_id, status="completed", percent_read=100.0, format=report.format, bytes=report.bytes,
        lines=report.lines, examples=report.examples, errors=report.errors, warnings=report.warnings,
        infos=report.infos, counts=report.counts, verdict=report.verdict,
        score=report.quality.score if report.quality else None,
        tokens=msgspec.to_builtins(report.tokens) if report.tokens else None,
        duplicates={"exact": duplicates.exact, "near": duplicates.near, "contradictions": duplicates.contradictions}
        if duplicates else None, privacy=report.privacy.counts if report.privacy else None)
