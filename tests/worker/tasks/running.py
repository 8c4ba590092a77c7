"""Runs due work items of a project in this process, as a worker would."""

from sqlalchemy import text

from service.kit.database import transaction
from service.kit.work import Work
from tests.fixtures.api import Tenant
from worker import app
from worker.tasks import (
    counts,
    credentials,
    datasets,
    files,
    idempotency,
    mail,
    preflights,
    previews,
    remote,
    remote_sweeping,
    retirement,
    reviews,
    versions,
)

HANDLED = {Work.VALIDATE_FILE: datasets.validate, Work.ANALYSE_SEGMENT: datasets.analyse,
           Work.COUNT_TOKENS: counts.count, Work.ERASE_OBJECT: files.erase, Work.EXPIRE_UPLOAD: files.expire_upload,
           Work.BUILD_VERSION: versions.build, Work.MAKE_PREVIEW: previews.preview,
           Work.PREPARE_REVIEW: reviews.prepare, Work.PREFLIGHT: preflights.preflight,
           Work.ANNOUNCE_RETIREMENT: retirement.announce, Work.FORGET_KEY: idempotency.forget,
           Work.CHECK_CREDENTIAL: credentials.check, Work.SUBMIT_JOB: remote.submit, Work.FOLLOW_JOB: remote.follow,
           Work.GATHER_MAIL: mail.gather, Work.SEND_MAIL: mail.deliver,
           Work.SWEEP_CREDENTIAL: remote_sweeping.sweep}


def work_off(tenant: Tenant) -> int:
    """Run every due item once, whatever it ends in; how many there were."""
    with transaction(tenant.scope) as session:
        due = session.execute(text("select id, kind from work_items where run_at <= now() and state = 'pending'"
                                   " order by position")).all()
    ours = [item for item in due if item.kind in set(HANDLED)]
    for item in ours:
        app.run(HANDLED[Work(item.kind)], item.id)
    return len(ours)
