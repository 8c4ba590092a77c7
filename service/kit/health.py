"""Whether this process lives, and whether it can serve: for load balancers and supervisors, without a key."""

from typing import Literal

from fastapi import APIRouter
from sqlalchemy import text

from service.kit.database import NOBODY, transaction
from service.kit.schemas import Answer

router = APIRouter(tags=["Health"])


class Health(Answer):
    status: Literal["ok"] = "ok"


@router.get("/healthz", operation_id="getLiveness")
async def alive() -> Health:
    """Answer as long as the process serves requests at all."""
    return Health()


@router.get("/readyz", operation_id="getReadiness")
def ready() -> Health:
    """Answer 200 when the database answers, 503 otherwise."""
    with transaction(NOBODY) as session:
        session.execute(text("select 1"))
    return Health()
