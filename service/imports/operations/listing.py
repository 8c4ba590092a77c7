"""What a server's lists tell, kept page by page, so that no page is asked for again and nothing is read twice."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.catalog.base_models import find_base_model
from service.catalog.binding import bind_again
from service.datasets.operations.storing import storable
from service.imports import queries
from service.imports.operations.counting import count, note
from service.imports.plans import FoundFile, Kind
from service.imports.tables import Import, ImportItem
from service.jobs.operations.remote_files import result_id
from service.jobs.plans import RemoteJob
from service.kit.identifiers import new_id
from service.kit.schemas import JSONObject

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~-]{0,254}")
"""Ids that can stand in a path. No other is asked for, whatever a list says."""
_MODEL = re.compile(r"[!-~]{1,256}")
_TUNED = re.compile(r"^ft:|[.:]ft-")
_LARGEST = 2**53
MOST_ITEMS = 200_000
_LONGEST_CURSOR = 1000
_NEXT = {"files": "jobs", "jobs": "models", "models": "contents"}
_FILES = TypeAdapter(FoundFile)
_JOBS = TypeAdapter(RemoteJob)


def record_files(session: Session, row: Import, files: Sequence[FoundFile], after: str | None) -> None:
    """One page of the list of files."""
    found: dict[str, JSONObject] = {}
    for each in files:
        if _is_usable(session, row, "file", each.id):
            found[each.id] = {"file": storable(_FILES.dump_python(each, mode="json")) | {"bytes": _size(each.bytes)}}
    new = _keep(session, row, "file", found, queries.known_files(session, found))
    count(row, "file", bytes_found=sum(found[name]["file"]["bytes"] or 0 for name in new))
    _move_on(session, row, "file", after, is_news=bool(new))


def record_jobs(session: Session, row: Import, jobs: Sequence[RemoteJob], after: str | None) -> None:
    """One page of the list of jobs; files that they name and that no list told of are to be read too."""
    found: dict[str, JSONObject] = {}
    named: dict[str, JSONObject] = {}
    for each in jobs:
        if _is_usable(session, row, "job", each.id):
            found[each.id] = {"job": storable(_JOBS.dump_python(each, mode="json"))}
            named |= {name: {"named_by": each.id, "is_result": is_result}
                      for name, is_result in _files_of(each.body) if ID.fullmatch(name)}
    known = queries.known_jobs(session, found)
    new = _keep(session, row, "job", found, known)
    _hold_back_unfinished(session, row, [each for each in jobs if each.id in new and each.id not in known])
    _keep(session, row, "file", named, queries.known_files(session, named))
    _keep_back_own_results(session, row, jobs, known)
    _move_on(session, row, "job", after, is_news=bool(new))


def _hold_back_unfinished(session: Session, row: Import, jobs: Sequence[RemoteJob]) -> None:
    for job in jobs:
        if not job.state.is_end:
            note(session, row, "job", job.id, code="not_ended",
                 reason=f"The server says that this job is {job.status}. Import again when it has ended.")
            count(row, "job", problems=1)
            item = queries.item_named(session, row.id, "job", job.id)
            if item is not None:
                item.state = "problem"
    session.flush()


def _keep_back_own_results(session: Session, row: Import, jobs: Sequence[RemoteJob], known: Mapping[str, str]) -> None:
    """Results of jobs that were sent there from here came home when those ended."""
    ours = {remote_id: result_id(known[job.id], remote_id) for job in jobs if job.id in known
            for remote_id, is_result in _files_of(job.body) if is_result}
    here = queries.known_files(session, list(ours.values()))
    for remote_id, file_id in ours.items():
        item = queries.item_named(session, row.id, "file", remote_id) if file_id in here else None
        if item is not None and item.state == "pending":
            item.state, item.row_id = "present", file_id
            count(row, "file", present=1)
    session.flush()


def _files_of(body: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The files that a job names, and whether it made them."""
    results = body.get("result_files")
    named = [(body.get("training_file"), False), (body.get("validation_file"), False),
             *((each, True) for each in (results if isinstance(results, list) else []))]
    return [(name, is_result) for name, is_result in named if isinstance(name, str)]


def record_models(session: Session, row: Import, models: Sequence[str]) -> None:
    """The list of models, of which those count that somebody tuned."""
    made = queries.tuned_by_jobs(session, row.id)
    names = dict.fromkeys(name for name in models[:MOST_ITEMS] if _MODEL.fullmatch(name) and (
        name in made or (_TUNED.search(name) and find_base_model(name) is None)))
    _keep(session, row, "model", {name: {} for name in names}, queries.known_models(session, names))
    if not row.dry_run:
        bind_again(session, row.credential_id, names)
    _move_on(session, row, "model", None, is_news=True)


def skip_list(session: Session, row: Import, kind: Kind, *, code: str, reason: str) -> None:
    """The server does not give this list, or no more of it."""
    if note(session, row, kind, "*", code=code, reason=reason):
        count(row, kind, problems=1)
    row.stage, row.cursor = _NEXT[row.stage], None
    session.flush()


def _is_usable(session: Session, row: Import, kind: Kind, remote_id: str) -> bool:
    if ID.fullmatch(remote_id):
        return True
    if note(session, row, kind, remote_id, code="unusable_id", reason="The server's list names it by an id that cannot"
            " be asked for: ids have letters, digits and _.:~- only, 255 at most."):
        count(row, kind, found=1, problems=1)
    return False


def _size(size: int) -> int | None:
    return size if 0 <= size < _LARGEST else None


def _keep(session: Session, row: Import, kind: Kind, found: Mapping[str, JSONObject],
          known: Mapping[str, str]) -> set[str]:
    """Remember what was not met before; which that is. What is here already is not going to be read."""
    if not found:
        return set()
    rows = [{"id": new_id("impitem_"), "project_id": row.project_id, "import_id": row.id, "kind": kind,
             "remote_id": name, "body": body, "state": "present" if name in known else "pending",
             "row_id": known.get(name)} for name, body in found.items()]
    made = insert(ImportItem).on_conflict_do_nothing().returning(ImportItem.remote_id)
    new = set(session.scalars(made, rows))
    count(row, kind, found=len(new), present=len(new & set(known)))
    return new


def _move_on(session: Session, row: Import, kind: Kind, after: str | None, *, is_news: bool) -> None:
    """To the next page or to the next list. A list that repeats itself is left, and so is one without end."""
    if after is not None and (not is_news or after == row.cursor or len(after) > _LONGEST_CURSOR):
        skip_list(session, row, kind, code="list_repeats", reason="The server's list does not come to an end: its next"
                  " page told of nothing new. What it told of until then is read.")
    elif after is not None and queries.number_of_items(session, row.id, kind) >= MOST_ITEMS:
        skip_list(session, row, kind, code="list_too_long", reason=f"Only the newest {MOST_ITEMS:,} are read.")
    elif after is not None:
        row.cursor = after
    else:
        row.stage, row.cursor = _NEXT[row.stage], None
    session.flush()
