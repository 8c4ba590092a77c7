"""Archiving projects: what their servers train for them is ended at once, for it costs money by the minute."""

from sqlalchemy.orm import Session

from service.jobs import queries
from service.kit.database import Scope, within
from service.kit.work import Work, enqueue_all
from service.tenants import operations as tenants
from service.tenants.tables import Project


def archive_project(session: Session, project_id: str, *, by: str) -> Project:
    """Close a project, and have its jobs at servers looked after now: that finds it archived, and cancels them.

    Raises ProjectNotFound.
    """
    project = tenants.archive_project(session, project_id, by=by)
    with within(session, Scope.project(project.id)):
        for work, states in ((Work.SUBMIT_JOB, ["intended"]), (Work.FOLLOW_JOB, ["live"])):
            enqueue_all(session, work, queries.attempted(session, states), project_id=project.id)
    return project
