"""Bedrock keeps no log of a job: one is made of what it tells, always the same, in an order that only grows.

An id is <end of the job's ARN>:<rank>:<step>, and sorts as the events happened, so that "what came after" is asked of
the ids alone. The end of a job ranks last, behind the steps that Bedrock writes down when it ends.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from worker.providers.bedrock import reading
from worker.providers.remote import RemoteEvent

MOST_STEPS = 5_000
_WORDS = {"validationDetails": "Validation of the data", "dataProcessingDetails": "Processing of the data",
          "trainingDetails": "Training"}
_METRICS, _END = 50, 90
_LONGEST_LINE = 10_000
_ENDS = {"Completed": "info", "Stopped": "warn", "Failed": "error"}


def events(told: Mapping[str, Any]) -> Iterator[RemoteEvent]:
    """All but the steps."""
    created = reading.moment(told.get("creationTime")) or datetime.fromtimestamp(0, UTC)
    name = reading.text(told.get("jobName"), 63)
    yield _event(told, 0, 0, at=created, message=f"Created model customization job: {name}")
    for rank, stage in enumerate(reading.STAGES, 1):
        yield from _of_stage(told, stage, rank * 10, created)
    status = reading.text(told.get("status"), 100)
    if status in _ENDS:
        why = reading.text(told.get("failureMessage"), 1_000) if status == "Failed" else ""
        ended = reading.moment(told.get("endTime")) or reading.moment(told.get("lastModifiedTime")) or created
        yield _event(told, _END, 0, at=ended, level=_ENDS[status], message=f"The job is {status}. {why}".strip())


def has_ended(told: Mapping[str, Any]) -> bool:
    return told.get("status") in _ENDS


def _of_stage(told: Mapping[str, Any], name: str, rank: int, created: datetime) -> Iterator[RemoteEvent]:
    stage, status = reading.stage(told, name), reading.stage_status(told, name)
    if not status or status == "NotStarted":
        return
    began = reading.moment(stage.get("creationTime")) or created
    yield _event(told, rank, 0, at=began, message=f"{_WORDS[name]} has begun.")
    if status != "InProgress":
        level = "error" if status == "Failed" else "info"
        yield _event(told, rank + 1, 0, at=reading.moment(stage.get("lastModifiedTime")) or began, level=level,
                     message=f"{_WORDS[name]}: {status}")


def steps(told: Mapping[str, Any], training: Iterable[bytes], validation: Iterable[bytes]) -> Iterator[RemoteEvent]:
    """One metrics event for each step of the two CSV files, in order."""
    ended = reading.moment(told.get("endTime")) or datetime.fromtimestamp(0, UTC)
    found: dict[int, dict[str, Any]] = {}
    for rows, column, name in ((training, "training_loss", "train_loss"),
                               (validation, "validation_loss", "valid_loss")):
        for row in _rows(rows):
            step = _number(row.get("step_number"))
            if step is None or not 0 <= step < 2**31 or (len(found) >= MOST_STEPS and int(step) not in found):
                continue
            of_step = found.setdefault(int(step), {"step": int(step)})
            of_step |= {"epoch": _number(row.get("epoch_number")), name: _number(row.get(column)),
                        name.replace("loss", "perplexity"): _number(row.get("perplexity"))}
    for step in sorted(found):
        data = {name: value for name, value in found[step].items() if value is not None}
        losses = ", ".join(f"{words}={data[name]:.4f}" for name, words in (
            ("train_loss", "training loss"), ("valid_loss", "validation loss")) if name in data)
        yield _event(told, _METRICS, step, at=ended, message=f"Step {step}: {losses or 'no loss'}", data=data)


def after(found: Iterable[RemoteEvent], until: str | None) -> tuple[RemoteEvent, ...]:
    """In their order, and only those behind `until`; all, if that is no id of ours."""
    ordered = sorted(found, key=lambda event: event.id)
    is_ours = until is not None and bool(ordered) and until.split(":")[0] == ordered[0].id.split(":")[0]
    return tuple(event for event in ordered if not is_ours or event.id > str(until))


def _event(told: Mapping[str, Any], rank: int, step: int, *, at: datetime, message: str, level: Any = "info",
           data: Mapping[str, Any] | None = None) -> RemoteEvent:
    short = reading.text(told.get("jobArn"), 1_011).rsplit("/", 1)[-1].replace(":", "-")
    return RemoteEvent(id=f"{short}:{rank:02d}:{step:010d}", created_at=at, level=level, message=message,
                       type="metrics" if data is not None else "message", data=data or {})


def _rows(chunks: Iterable[bytes]) -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file by their headings; what is no CSV gives none."""
    try:
        for row in csv.DictReader(_lines(chunks)):
            yield {str(name).strip().lower(): value for name, value in row.items() if isinstance(value, str)}
    except csv.Error:
        return


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line[:_LONGEST_LINE].decode("utf-8", "replace").replace("\x00", "") for line in whole)
        rest = rest[:_LONGEST_LINE]
    if rest:
        yield rest.decode("utf-8", "replace").replace("\x00", "")


def _number(value: str | None) -> float | None:
    try:
        number = float((value or "")[:40])
    except ValueError:
        return None
    return number if math.isfinite(number) else None
