"""Human review: queues of examples, decisions, agreement and coverage."""

from fastapi import APIRouter

router = APIRouter(tags=["Datasets"])
