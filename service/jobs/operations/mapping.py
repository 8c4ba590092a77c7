"""What a job's model answers for, once there is one."""

from sqlalchemy.orm import Session

from service.jobs.tables import Job


def map_now(session: Session, job: Job) -> None:
    """Have calls that name the model it replaces answered by the job's own."""
