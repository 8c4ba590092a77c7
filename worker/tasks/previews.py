"""Has the training code render some lines of a version, in a process of its own, and records what it would learn."""

import json
import logging
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from service import commands
from service.catalog import operations as catalog
from service.catalog.base_models import BaseModelEntry
from service.catalog.errors import ModelNotFound
from service.datasets.operations import previews
from service.datasets.operations.previews import PreviewPlan
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from service.settings import MiB, bare_environment
from worker.app import Running, Transient, task, unit_of_work
from worker.tasks.versions import scratch

_log = logging.getLogger(__name__)
_LONGEST_LINE = 4 * MiB
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.1
_MOST_TEXT = 400_000
"""Characters of all texts of a preview; what goes beyond is left out of the texts, never of the counts."""


class _Unshown(Exception):
    """There is no preview; the message says why and what to do."""


@task(Work.MAKE_PREVIEW)
def preview(running: Running) -> None:
    """Make one preview; making it again makes the same."""
    claim = running.claim
    with unit_of_work(claim) as session:
        plan = previews.begin_preview(session, claim.subject)
        base = _base(session, plan.model) if plan else None
    if plan is None:
        return
    try:
        with scratch(claim) as directory:
            examples = _made(plan, base, directory, running)
    except _Unshown as reason:
        with unit_of_work(claim) as session:
            previews.record_preview(session, plan.preview_id, error=str(reason))
        return
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable
    with unit_of_work(claim) as session:
        previews.record_preview(session, plan.preview_id, examples=examples)


@preview.abandoned
def _cannot_be_made(session: Session, claim: Claim, cause: str) -> None:
    previews.record_preview(session, claim.subject, error=f"The preview could not be made: {cause}")


def _base(session: Session, model: str) -> BaseModelEntry | None:
    try:
        return catalog.resolve(session, model).base
    except ModelNotFound:
        return None


def _made(plan: PreviewPlan, base: BaseModelEntry | None, directory: Path, running: Running) -> list[dict[str, Any]]:
    if base is None:
        raise _Unshown(f"There is no model '{plan.model}' in this project. GET /v1/models lists what there is.")
    if base.weights is None:
        raise _Unshown(f"{base.id} is trained by its provider, whose chat template is not known here. Preview with a"
                       " base model that is trained in this house.")
    if not (base.directory / "config.json").exists():
        raise _Unshown(f"The base model {base.id} is not on the machine that makes previews. Have it fetched there with"
                       f" `tuneworks models pull {base.id}`, or train one job on it, and ask again.")
    found = _lines(plan, running)
    numbers = [number for number in plan.lines if number in found]
    if not numbers:
        raise _Unshown(f"The version has no line {plan.lines[0]}: it ends before.")
    request = {"model": str(base.directory.resolve()), "context_length": base.context_length, "numbers": numbers}
    (directory / "request.json").write_text(json.dumps(request))
    (directory / "lines.jsonl").write_bytes(b"\n".join(found[number] for number in numbers))
    return _shortened(_rendered(directory, running))


def _rendered(directory: Path, running: Running) -> list[dict[str, Any]]:
    environment = bare_environment(TOKENIZERS_PARALLELISM="false")
    with (directory / "preview.log").open("wb") as log:
        process = subprocess.Popen(commands.preview(str(directory)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=environment)
    try:
        _wait(process, running)
    finally:
        process.kill()
        process.wait()
    answer = directory / "answer.json"
    if not answer.exists():
        _log.error("preview ended with %s: %s", process.returncode, (directory / "preview.log").read_text()[-2000:])
        raise Transient("the process that renders previews ended without an answer")
    told = json.loads(answer.read_bytes())
    if "error" in told:
        raise _Unshown(told["error"])
    examples: list[dict[str, Any]] = told["examples"]
    return examples


def _wait(process: subprocess.Popen[bytes], running: Running) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise _Unshown(f"Rendering took longer than {_PATIENCE_SECONDS:.0f} seconds. Ask for fewer lines.")
        running.advance(running.claim.fence)
        time.sleep(_POLL_SECONDS)


def _shortened(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left = _MOST_TEXT
    for run in (run for example in examples for run in example["runs"]):
        if len(run["text"]) > left:
            run["text"] = run["text"][:left] + "…"
        left = max(0, left - len(run["text"]))
    return examples


def _lines(plan: PreviewPlan, running: Running) -> dict[int, bytes]:
    """The lines of these numbers; of one that is longer than 4 MiB its beginning, which no preview can show."""
    try:
        return dict(_numbered(storage().read(plan.object_key), frozenset(plan.lines), running))
    except ObjectMissing as lost:
        raise _Unshown("The bytes of the version are gone from the object store.") from lost


def _numbered(chunks: Iterable[bytes], wanted: frozenset[int], running: Running) -> Iterator[tuple[int, bytes]]:
    number, last, held = 1, max(wanted), bytearray()
    for chunk in chunks:
        running.advance(f"looked through {number} lines")
        pieces = chunk.split(b"\n")
        for at, piece in enumerate(pieces):
            if number in wanted:
                held += piece[:_LONGEST_LINE - len(held)]
            if at < len(pieces) - 1:
                if number in wanted:
                    yield number, bytes(held)
                number, held = number + 1, bytearray()
                if number > last:
                    return
    if held and number in wanted:
        yield number, bytes(held)
