"""Tells a project of the ends of its tuned models: 90, 30 and 7 days ahead, each once."""

from collections.abc import Mapping
from datetime import date, timedelta

from sqlalchemy.orm import Session

from service.catalog import offers, queries, retirement
from service.catalog.base_models import BaseModelEntry
from service.events import operations as events
from service.events.types import EventType
from service.kit.database import database_now

EVERY = timedelta(days=1)
_PAGE = 200


def dying(session: Session) -> dict[str, BaseModelEntry] | None:
    """The bases of the project's tuned models whose end is to be announced by now; None where it has no models."""
    names = queries.bases_in_use(session)
    if not names:
        return None
    today = database_now(session).date()
    known = {name: offers.base_model(session, name) for name in names}
    return {name: base for name, base in known.items() if base is not None and _notice(base, today) is not None}


def announce(session: Session, project_id: str, bases: Mapping[str, BaseModelEntry], *, after: int) -> int | None:
    """Say so for one page of tuned models behind a position; the position to go on from, None after the last.

    Whatever is announced twice, by one after another or by two at once, is told once.
    """
    today = database_now(session).date()
    rows = queries.tuned_from(session, list(bases), after=after, limit=_PAGE)
    for tuned in rows:
        base = bases[tuned.base_model]
        notice, ends = _notice(base, today), base.shutdown_date
        if notice is None or ends is None:
            continue
        mapping = queries.mapping_of(session, tuned.name)
        events.append_once(
            session, EventType.MODEL_RETIRING, tuned.name, project_id=project_id,
            dedupe_key=f"{EventType.MODEL_RETIRING}:{tuned.id}:{ends}:{notice}",
            data={"base_model": base.id, "provider": base.provider, "shutdown_date": str(ends), "notice_days": notice,
                  "days_left": (ends - today).days, "fine_tuning_job_id": tuned.job_id,
                  "successor": mapping.successor if mapping is not None else None})
    return rows[-1].position if len(rows) == _PAGE else None


def _notice(base: BaseModelEntry, today: date) -> int | None:
    return retirement.notice_due(base.shutdown_date, today) if base.shutdown_date is not None else None
