"""What a server said, as the seam's own types: unknown words are kept, what does not fit is left out, nothing raises.

A thing without an id that can be put into a path is no thing: None comes out, and lists skip it.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from worker.providers.openai.answers import Answers
from worker.providers.remote import RemoteCheckpoint, RemoteEvent, RemoteFile, RemoteJob, RemoteModel, RemoteState

KEY_PAIR, HOUSE_PAIR = "tuneworks_key", "tuneworks_house"
"""The two pairs of a remote job's metadata that are ours."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~-]{0,254}")
_MODEL = re.compile(r"[!-~]{1,256}")
_BODY, _DATA = 512 * 1024, 64 * 1024
_LARGEST = 2**53
_LATEST = 253402300799
_NEVER = datetime.fromtimestamp(0, UTC)

_STATES = {
    RemoteState.WAITING: {"validating_files", "queued", "pending", "created", "submitted", "notrunning", "not_started",
                          "resuming", "pending_validation"},
    RemoteState.RUNNING: {"running", "pausing", "in_progress", "inprogress", "training", "compressing", "uploading",
                          "cancelling", "canceling", "cancel_requested", "stopping"},
    RemoteState.PAUSED: {"paused"},
    RemoteState.SUCCEEDED: {"succeeded", "completed", "complete"},
    RemoteState.FAILED: {"failed", "error", "user_error", "expired"},
    RemoteState.CANCELLED: {"cancelled", "canceled", "stopped"},
}
_STATE_OF = {word: state for state, words in _STATES.items() for word in words}


def state(status: str) -> RemoteState:
    return _STATE_OF.get(status.lower(), RemoteState.UNKNOWN)


def identifier(value: Any) -> str | None:
    """An id that may stand in a path; None for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def job(raw: Any, answers: Answers) -> RemoteJob | None:
    body = _object(raw, answers, _BODY)
    found = identifier(body.get("id"))
    if found is None:
        return None
    metadata = _mapping(body.get("metadata"))
    status = answers.text(body.get("status"), size=64) or "unknown"
    return RemoteJob(
        id=found, status=status, state=state(status), key=_word(metadata.get(KEY_PAIR)),
        house=_word(metadata.get(HOUSE_PAIR)), created_at=moment(body.get("created_at")),
        fine_tuned_model=_model_name(body.get("fine_tuned_model")), trained_tokens=count(body.get("trained_tokens")),
        hyperparameters=_hyperparameters(body), error=_error(body.get("error"), answers),
        result_files=tuple(filter(None, map(identifier, _sequence(body.get("result_files"))))),
        finished_at=moment(body.get("finished_at")), estimated_finish=moment(body.get("estimated_finish")), body=body)


def event(raw: Any, answers: Answers) -> RemoteEvent | None:
    body = _object(raw, answers, _DATA)
    message = answers.text(body.get("message"), size=8000)
    if not body or not (message or body.get("data")):
        return None
    level = answers.text(body.get("level"), size=16).lower()
    return RemoteEvent(
        id=identifier(body.get("id")) or _made_up(body), created_at=moment(body.get("created_at")) or _NEVER,
        level=cast("Literal['info', 'warn', 'error']", level) if level in {"info", "warn", "error"} else "info",
        type=answers.text(body.get("type"), size=64) or "message", message=message, data=_mapping(body.get("data")))


def checkpoint(raw: Any, answers: Answers) -> RemoteCheckpoint | None:
    body = _object(raw, answers, _DATA)
    found, model = identifier(body.get("id")), _model_name(body.get("fine_tuned_model_checkpoint"))
    step = count(body.get("step_number"))
    if found is None or model is None or step is None:
        return None
    return RemoteCheckpoint(id=found, created_at=moment(body.get("created_at")) or _NEVER, step=step, model=model,
                            metrics=_mapping(body.get("metrics")))


def file(raw: Any, answers: Answers) -> RemoteFile | None:
    body = _object(raw, answers, _DATA)
    found = identifier(body.get("id"))
    if found is None:
        return None
    return RemoteFile(
        id=found, filename=answers.text(body.get("filename"), size=255), bytes=count(body.get("bytes")) or 0,
        purpose=answers.text(body.get("purpose"), size=64), created_at=moment(body.get("created_at")) or _NEVER,
        body=body)


def model(raw: Any, answers: Answers) -> RemoteModel | None:
    body = _object(raw, answers, _DATA)
    found = _model_name(body.get("id"))
    if found is None:
        return None
    return RemoteModel(id=found, created_at=moment(body.get("created") or body.get("created_at")),
                       owned_by=answers.text(body.get("owned_by"), size=256), shutdown_date=_day(body))


def moment(value: Any) -> datetime | None:
    """Unix seconds, or the text that some servers write instead."""
    try:
        if isinstance(value, str):
            written = datetime.fromisoformat(value[:40])
            return written.astimezone(UTC) if written.tzinfo else written.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LATEST:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def count(value: Any) -> int | None:
    """A whole number that any column can hold; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        return None
    return int(value) if value == int(value) else None


def _object(raw: Any, answers: Answers, size: int) -> dict[str, Any]:
    return cast("dict[str, Any]", answers.cleaned(raw, size=size)) if isinstance(raw, dict) else {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 512 else None


def _model_name(value: Any) -> str | None:
    return value if isinstance(value, str) and _MODEL.fullmatch(value) else None


def _day(body: Mapping[str, Any]) -> str | None:
    day = body.get("shutdown_date")
    return day if isinstance(day, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) else None


def _hyperparameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the job, or of its method where the old place is empty, as it is for dpo."""
    method = _mapping(body.get("method"))
    kind = method.get("type")
    inner = _mapping(method.get(kind)) if isinstance(kind, str) else {}
    return _mapping(body.get("hyperparameters")) or _mapping(inner.get("hyperparameters"))


def _error(value: Any, answers: Answers) -> dict[str, Any] | None:
    """None for the empty object that jobs without an error carry."""
    if isinstance(value, str) and value:
        return {"code": None, "message": answers.text(value), "param": None}
    found = {name: answers.text(_mapping(value).get(name)) or None for name in ("code", "message", "param")}
    return found if any(found.values()) else None


def _made_up(body: Mapping[str, Any]) -> str:
    """The same id for the same line, for servers whose lines have none."""
    seen = repr((body.get("created_at"), body.get("level"), body.get("message"), body.get("data"))).encode()
    return f"ftevent-{hashlib.sha256(seen).hexdigest()[:24]}"
