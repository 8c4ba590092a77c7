"""Says in a sentence what happened, for people: the words of mails and of messages to chats.

`data` is what the event keeps of its subject; whatever of it is missing, or is not what it should be, is left out.
What comes back is one line of bounded length: nobody's name breaks out of a subject line or of a message.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from service.events.types import EventType

Data = Mapping[str, Any]
_LONGEST_VALUE = 120
_LONGEST = 600
_MICRO = 1_000_000
_LARGEST = 10 ** 15
_UNSEEN = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+")
"""White space and what cannot be seen: control characters, marks of direction, halves of characters."""


def title(event_type: str) -> str:
    """A few words, such as `Job succeeded`."""
    return _TITLES.get(event_type) or line(event_type, longest=_LONGEST_VALUE)


def sentence(event_type: str, subject: str, data: Data) -> str:
    """What happened, as one sentence with a full stop."""
    teller = _TELLERS.get(event_type)
    told = teller(line(subject), data) if teller else f"{title(event_type)}: {line(subject)}"
    told = line(told, longest=_LONGEST)
    return told if told.endswith((".", "…", "!", "?")) else f"{told}."


def line(value: Any, *, longest: int = _LONGEST_VALUE) -> str:
    """A value as one line of visible characters, cut at `longest`."""
    words = _UNSEEN.sub(" ", str(value)[:4 * longest]).strip()
    return words if len(words) <= longest else f"{words[:longest - 1].rstrip()}…"


def _said(data: Data, *path: str) -> str:
    """The text or number that is found there, as a line; empty when there is none."""
    found: Any = data
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return line(found)
    return line(found) if _is_number(found) else ""


def _is_number(found: Any) -> bool:
    """One that people read; Python refuses to write out the longest."""
    return isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _LARGEST


def _first(data: Data, *names: str) -> str:
    return next((said for said in (_said(data, name) for name in names) if said), "")


def _dollars(data: Data, *names: str) -> str:
    for name in names:
        amount = data.get(name)
        if isinstance(amount, int) and _is_number(amount):
            return f"${amount / _MICRO:,.2f}"
    return ""


def _and(before: str, said: str, after: str = "") -> str:
    return f"{before}{said}{after}" if said else ""


def _job(subject: str, data: Data) -> str:
    suffix = _said(data, "suffix") or _said(data, "user_provided_suffix")
    return f"Fine-tuning job {subject}{_and(' (', suffix, ')')}"


def _job_that(verb: str) -> Callable[[str, Data], str]:
    return lambda subject, data: f"{_job(subject, data)}{_and(' on ', _said(data, 'model'))} {verb}"


def _succeeded(subject: str, data: Data) -> str:
    return f"{_job(subject, data)} succeeded{_and('; its model is ', _said(data, 'fine_tuned_model'))}"


def _failed(subject: str, data: Data) -> str:
    return f"{_job(subject, data)} failed{_and(': ', _said(data, 'error', 'message'))}"


def _milestone(subject: str, data: Data) -> str:
    loss = _said(data, "metrics", "train_loss")
    step, total = _said(data, "step"), _first(data, "total", "total_steps")
    percent = _first(data, "percent", "milestone")
    return (f"{_job(subject, data)} has done {_and('', percent, ' % of its steps') or 'a part of its steps'}"
            f"{_and(' (step ', step, _and(' of ', total) + ')')}{_and('; train loss ', loss)}")


def _checkpoint(subject: str, data: Data) -> str:
    step = _first(data, "step_number", "step") or _said(data, "checkpoint", "step_number")
    return f"{_job(subject, data)} made a checkpoint{_and(' at step ', step)}"


def _stuck(subject: str, data: Data) -> str:
    return f"{_job(subject, data)} has long been in one state at its server{_and(': ', _said(data, 'status'))}"


def _validated(what: str) -> Callable[[str, Data], str]:
    def told(subject: str, data: Data) -> str:
        named = _first(data, "filename", "name")
        verdict = _first(data, "verdict", "status") or _said(data, "validation", "status")
        errors = _first(data, "errors", "error_count") or _said(data, "validation", "errors")
        return (f"{what} {subject}{_and(' (', named, ')')} was validated{_and(': ', verdict)}"
                f"{_and(', ', errors, ' errors') if errors not in {'', '0'} else ''}")
    return told


def _review(verb: str) -> Callable[[str, Data], str]:
    return lambda subject, data: f"Review {subject}{_and(' (', _first(data, 'name', 'dataset'), ')')} {verb}"


def _spend(_: str, data: Data) -> str:
    limit = _dollars(data, "threshold_micro_dollars", "threshold")
    spent = _dollars(data, "spent_micro_dollars", "spent")
    return (f"The project's spending reached {_and('the threshold of ', limit) or 'a threshold'}"
            f"{_and(' for ', _said(data, 'month'))}{_and('; spent or held so far: ', spent)}")


def _credential(verb: str) -> Callable[[str, Data], str]:
    def told(subject: str, data: Data) -> str:
        provider, details = _said(data, "provider"), _said(data, "details")
        return (f"Credential {_said(data, 'name') or subject}{_and(' for ', provider)} {verb}"
                f"{_and(': ', details) if verb == 'fails' else ''}")
    return told


def _retiring(subject: str, data: Data) -> str:
    until, base = _said(data, "shutdown_date"), _said(data, "base_model")
    return f"Model {subject}{_and(' (on ', base, ')')} retires{_and(' on ', until) or ' soon'}"


def _import(verb: str) -> Callable[[str, Data], str]:
    return lambda subject, data: f"Import {subject} {verb}{_and(': ', _first(data, 'error', 'reason'))}"


def _disabled(subject: str, data: Data) -> str:
    """Without the URL: that of a chat is a secret, which whoever has it can write there with."""
    return (f"Webhook endpoint {_said(data, 'name') or subject} was disabled and is told nothing more"
            f"{_and(': ', _said(data, 'reason')) or '; an update of it takes it up again'}")


_TITLES: Mapping[str, str] = {
    EventType.JOB_SUCCEEDED: "Job succeeded",
    EventType.JOB_FAILED: "Job failed",
    EventType.JOB_CANCELLED: "Job cancelled",
    EventType.JOB_CREATED: "Job created",
    EventType.JOB_QUEUED: "Job queued",
    EventType.JOB_RUNNING: "Job running",
    EventType.JOB_PAUSED: "Job paused",
    EventType.JOB_MILESTONE: "Job milestone",
    EventType.JOB_CHECKPOINT: "Checkpoint made",
    EventType.JOB_STUCK: "Job stuck",
    EventType.FILE_VALIDATED: "File validated",
    EventType.DATASET_VALIDATED: "Dataset validated",
    EventType.REVIEW_NEEDED: "Review wanted",
    EventType.REVIEW_DONE: "Review done",
    EventType.SPEND_THRESHOLD: "Spend threshold reached",
    EventType.CREDENTIAL_FAILING: "Credential failing",
    EventType.CREDENTIAL_RECOVERED: "Credential works again",
    EventType.MODEL_RETIRING: "Model retiring",
    EventType.IMPORT_SUCCEEDED: "Import succeeded",
    EventType.IMPORT_FAILED: "Import failed",
    EventType.ENDPOINT_DISABLED: "Webhook endpoint disabled",
}
_TELLERS: Mapping[str, Callable[[str, Data], str]] = {
    EventType.JOB_SUCCEEDED: _succeeded,
    EventType.JOB_FAILED: _failed,
    EventType.JOB_CANCELLED: _job_that("was cancelled"),
    EventType.JOB_CREATED: _job_that("was created"),
    EventType.JOB_QUEUED: _job_that("waits for its turn"),
    EventType.JOB_RUNNING: _job_that("is running"),
    EventType.JOB_PAUSED: _job_that("is paused"),
    EventType.JOB_MILESTONE: _milestone,
    EventType.JOB_CHECKPOINT: _checkpoint,
    EventType.JOB_STUCK: _stuck,
    EventType.FILE_VALIDATED: _validated("File"),
    EventType.DATASET_VALIDATED: _validated("Dataset version"),
    EventType.REVIEW_NEEDED: _review("waits for people's decisions"),
    EventType.REVIEW_DONE: _review("is completed"),
    EventType.SPEND_THRESHOLD: _spend,
    EventType.CREDENTIAL_FAILING: _credential("fails"),
    EventType.CREDENTIAL_RECOVERED: _credential("works again"),
    EventType.MODEL_RETIRING: _retiring,
    EventType.IMPORT_SUCCEEDED: _import("succeeded"),
    EventType.IMPORT_FAILED: _import("failed"),
    EventType.ENDPOINT_DISABLED: _disabled,
}
