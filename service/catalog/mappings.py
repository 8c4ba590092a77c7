"""Models that answer in place of dead ones: made, changed, found, followed along their chain.

A project maps a name to a successor. Whoever names a model that is dead, or that is mapped with `always`, is answered
by its successor, or by that one's successor where it is dead as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog import queries, retirement
from service.catalog.base_models import BaseModelEntry
from service.catalog.errors import (
    MappingCycle,
    MappingExists,
    MappingNotFound,
    MappingTooLong,
    ModelNotFound,
    SuccessorDead,
    SuccessorNotFound,
    SuccessorShutDown,
)
from service.catalog.operations import ResolvedModel
from service.catalog.tables import ModelMapping
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.tenants import operations as tenants
from service.tenants.access import Caller

ANSWERED_BY = "x-tuneworks-answered-by"
"""Header of an answer that another model gave than the one that was named."""
_LONGEST_CHAIN = 10
_OF_JOBS = "ftjob-"
"""How the makers of mappings begin that no person made."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """Whether a job's model answers for another now."""

    is_made: bool
    kept: str | None = None
    "The successor of a mapping that somebody made by hand, which stays."


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers for a name."""

    model: ResolvedModel
    in_place_of: str | None = None
    "The name that was asked for, where a mapping led from it to another model."

    @property
    def headers(self) -> dict[str, str]:
        """What an answer's headers tell of its model: that it stands in for another, and when it ends."""
        stands_in = answered_by(self.model.name) if self.in_place_of is not None else {}
        return retirement.headers(self.model.base) | stands_in


def answered_by(name: str) -> dict[str, str]:
    """The header that names the model, as far as a header can carry its name."""
    return {ANSWERED_BY: name.encode("ascii", "backslashreplace").decode()} if name.isprintable() else {}


def answering(session: Session, name: str, *, is_gone: bool = False) -> Answering:
    """The model that answers for `name`: itself, or its successor. `is_gone`: its server does not know it any more.

    Raises ModelNotFound, SuccessorDead, or MappingTooLong.
    """
    today = database_now(session).date()
    found, model = _follow(session, name, lambda asked, base: retirement.is_dead(base, today) or
                           (is_gone and asked == name))
    if model is None:
        raise ModelNotFound(name) if found == name else SuccessorDead(name, found)
    return Answering(model, name if found != name else None)


def stand_in(session: Session, name: str) -> str:
    """The name of the model that is trained where `name` is asked for; `name` itself where no mapping says otherwise.

    A base that can no longer be trained is dead for this, even while it answers chats. Raises MappingTooLong.
    """
    today = database_now(session).date()
    return _follow(session, name, lambda _, base: base.ended(today) is not None)[0]


def _follow(session: Session, name: str,
            is_dead: Callable[[str, BaseModelEntry], bool]) -> tuple[str, ResolvedModel | None]:
    """Where the mappings lead from a name: from one that is dead, or always, on to its successor."""
    asked, seen = name, {name}
    while True:
        model = _resolved(session, asked)
        mapping = _mapping_of(session, asked, model)
        if mapping is None or (model is not None and not mapping.always and not is_dead(asked, model.base)):
            return asked, model
        asked = mapping.successor
        if asked in seen or len(seen) > _LONGEST_CHAIN:
            raise MappingTooLong(name)
        seen.add(asked)


def _mapping_of(session: Session, name: str, model: ResolvedModel | None) -> ModelMapping | None:
    """The mapping of this name, or of the model that this alias stands for."""
    found = queries.mapping_of(session, name)
    if found is None and model is not None and model.name != name:
        found = queries.mapping_of(session, model.name)
    return found


def _resolved(session: Session, name: str) -> ResolvedModel | None:
    try:
        return catalog.resolve(session, name)
    except ModelNotFound:
        return None


def create(session: Session, caller: Caller, *, model: str, successor: str, always: bool) -> ModelMapping:
    """Map a model, which need not exist, to one that does. Raises what is wrong with either, or MappingExists."""
    _one_at_a_time(session)
    known, heir = _resolved(session, model), _resolved(session, successor)
    if heir is None:
        raise SuccessorNotFound(successor)
    name = known.name if known is not None else model
    if queries.mapping_of(session, name) is not None:
        raise MappingExists(name)
    _check_chain(session, name, heir.name)
    _check_alive(session, heir)
    row = ModelMapping(id=new_id("mmap_"), project_id=caller.project_id, model=name, successor=heir.name,
                       always=always, created_by=caller.actor)
    session.add(row)
    session.flush()
    _note(session, caller, row, "created")
    return row


def update(session: Session, caller: Caller, mapping_id: str, *, successor: str | None,
           always: bool | None) -> ModelMapping:
    """Change what is given. Raises MappingNotFound, or what is wrong with the successor."""
    _one_at_a_time(session)
    row = queries.mapping(session, mapping_id, lock=True)
    if row is None:
        raise MappingNotFound(mapping_id)
    if successor is not None:
        heir = _resolved(session, successor)
        if heir is None:
            raise SuccessorNotFound(successor)
        _check_chain(session, row.model, heir.name)
        _check_alive(session, heir)
        row.successor = heir.name
    row.always = row.always if always is None else always
    row.created_by = caller.actor
    session.flush()
    _note(session, caller, row, "updated")
    return row


def adopt(session: Session, *, project_id: str, model: str, successor: str, by: str) -> Adopted:
    """For workers: map `model` always to what job `by` trained in its place, over the mapping of an older job."""
    _one_at_a_time(session)
    known = _resolved(session, model)
    name = known.name if known is not None else model
    there = queries.mapping_of(session, name)
    if there is not None and not there.created_by.startswith(_OF_JOBS):
        return Adopted(is_made=False, kept=there.successor)
    try:
        _check_chain(session, name, successor)
    except (MappingCycle, MappingTooLong):
        return Adopted(is_made=False)
    made = insert(ModelMapping).values(id=new_id("mmap_"), project_id=project_id, model=name, successor=successor,
                                       always=True, created_by=by)
    session.execute(made.on_conflict_do_update(index_elements=["project_id", "model"], set_={
        "successor": successor, "always": True, "created_by": by}))
    return Adopted(is_made=True)


def retrieve(session: Session, mapping_id: str) -> ModelMapping:
    """Raises MappingNotFound."""
    found = queries.mapping(session, mapping_id)
    if found is None:
        raise MappingNotFound(mapping_id)
    return found


def page(session: Session, *, model: str | None, after: str | None, limit: int) -> tuple[Sequence[ModelMapping], bool]:
    """One page, newest first, and whether more follow."""
    return queries.mappings(session, model=model, after=after, limit=limit)


def delete(session: Session, caller: Caller, mapping_id: str) -> ModelMapping:
    """The name stands for itself again. Raises MappingNotFound."""
    row = queries.mapping(session, mapping_id, lock=True)
    if row is None:
        raise MappingNotFound(mapping_id)
    session.delete(row)
    session.flush()
    _note(session, caller, row, "deleted")
    return row


def _one_at_a_time(session: Session) -> None:
    """Two mappings that are made at once must not close a circle that neither sees."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended("
                         "'model_mappings' || current_setting('app.project_id', true), 0))"))


def _check_alive(session: Session, heir: ResolvedModel) -> None:
    """Raises SuccessorShutDown for a model that answers nothing any more, and for which no other answers."""
    if retirement.is_dead(heir.base, database_now(session).date()) and queries.mapping_of(session, heir.name) is None:
        raise SuccessorShutDown(heir.name, heir.base.shutdown_date)


def _check_chain(session: Session, model: str, successor: str) -> None:
    """Raises MappingCycle when the successor leads back to the model, MappingTooLong when a chain gets too long."""
    after, following = 0, successor
    while True:
        if following == model:
            raise MappingCycle(model, successor)
        mapping = queries.mapping_of(session, following)
        if mapping is None:
            break
        after, following = after + 1, mapping.successor
        if after >= _LONGEST_CHAIN:
            raise MappingTooLong(model)
    if 1 + after + _longest_before(session, model) > _LONGEST_CHAIN:
        raise MappingTooLong(model)


def _longest_before(session: Session, model: str) -> int:
    """How many mappings lead to the model, one after another."""
    names, steps = [model], 0
    while steps <= _LONGEST_CHAIN:
        names = list(queries.mapped_to(session, names))
        if not names:
            break
        steps += 1
    return steps


def _note(session: Session, caller: Caller, row: ModelMapping, what: str) -> None:
    tenants.audit(session, organization_id=caller.organization_id, project_id=caller.project_id, actor=caller.actor,
                  action=f"model_mapping.{what}", subject=row.id,
                  details={"model": row.model, "successor": row.successor, "always": row.always})
