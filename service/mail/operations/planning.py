"""From events to what is to be told to people: one notice for each subscription that asks for the event."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.events.naming import NAMES_IN_SQL
from service.kit.database import Scope, within
from service.kit.work import Work, enqueue_all
from service.mail import timetable

_PLAN = text(f"""
    with planned as (
        insert into mail_notices (id, project_id, subscription_id, event_id)
        select 'notice_' || replace(gen_random_uuid()::text, '-', ''), event.project_id, subscription.id, event.id
        from events event join mail_subscriptions subscription on subscription.project_id = event.project_id
            and subscription.event_types ?| ({NAMES_IN_SQL}) and subscription.status = 'active'
            and subscription.deleted_at is null
        where event.id = any(:events)
        order by event.position
        on conflict (project_id, subscription_id, event_id) do nothing
        returning project_id, subscription_id, event_id
    )
    select planned.project_id, subscription.id, subscription.digest, min(event.told_at) as told_at
    from planned join mail_subscriptions subscription on subscription.id = planned.subscription_id
    join events event on event.id = planned.event_id
    group by planned.project_id, subscription.id, subscription.digest order by planned.project_id
""")  # noqa: S608 - no value of anybody's in it


_LEFT = text("""
    select notice.project_id, array_agg(distinct notice.subscription_id) as subscriptions from mail_notices notice
    where mail_id is null and not exists (
        select from work_items item where item.project_id = notice.project_id and item.kind = :kind
            and item.subject = notice.subscription_id and item.state <> 'failed')
    group by notice.project_id order by notice.project_id
""")


def plan_again(session: Session) -> int:
    """Ask once more for mails of what waits though the work of making them was given up; of how many projects."""
    left = session.execute(_LEFT, {"kind": Work.GATHER_MAIL.value}).all()
    for row in left:
        with within(session, Scope.project(row.project_id)):
            enqueue_all(session, Work.GATHER_MAIL, row.subscriptions, project_id=row.project_id)
    return len(left)


def plan(session: Session, events: Sequence[str]) -> None:
    """Plan what events ask for that are told by this transaction of the sender's; twice is once.

    Whatever is planned waits until its subscription's mail is made, which is asked for here too: what is committed is
    told, whoever is killed, and by one mail.
    """
    wanted: dict[tuple[str, datetime], list[str]] = defaultdict(list)
    for row in session.execute(_PLAN, {"events": list(events)}):
        wanted[row.project_id, timetable.due(row.digest, row.told_at)].append(row.id)
    for (project_id, due), subscriptions in sorted(wanted.items()):
        with within(session, Scope.project(project_id)):
            enqueue_all(session, Work.GATHER_MAIL, subscriptions, project_id=project_id, run_at=due)
