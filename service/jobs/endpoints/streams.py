"""HTTP face of a job's log as it is written."""

from fastapi import APIRouter, Response, status
from sqlalchemy.orm import Session

from service.jobs import following, operations
from service.jobs.endpoints.jobs import JobId
from service.kit.streams import asking
from service.kit.streams.answering import EventStream
from service.kit.streams.cursors import Cursor
from service.kit.streams.hub import Follower
from service.tenants.access import CurrentProject, StreamReader, in_transaction

router = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["Fine-tuning"])


@router.get("/{fine_tuning_job_id}/events/stream", operation_id="streamFineTuningEvents", response_class=EventStream,
            responses=asking.DESCRIBED)
async def stream(fine_tuning_job_id: JobId, caller: CurrentProject, reader: StreamReader, hub: asking.Streams,
                 last_id: asking.LastEventID = None, begin: asking.Begin = "beginning") -> Response:
    """Follow a job's log from its first line on: `event` is `message` or `metrics`, `data` the line.

    Once the job has ended and every line is sent, the event `done` tells its status, and the stream ends. A client
    that comes back with the last id it got misses nothing and gets nothing twice; after `done` it gets a 204, which
    keeps browsers from coming again.
    """
    def start(session: Session) -> tuple[str, Cursor | None]:
        job = operations.retrieve(session, fine_tuning_job_id)
        return job.id, following.start(session, job, last_id=last_id, begin=begin)

    job_id, cursor = await in_transaction(caller, start)
    if cursor is None:
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    return EventStream(hub, following.source(caller.project_id, job_id), Follower(reader, cursor, lambda _: True))
