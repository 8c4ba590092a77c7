"""HTTP face of fine-tuning: jobs, what is known before one begins, and what may be trained on or deleted."""

from fastapi import APIRouter

from service.jobs.endpoints import erasure, jobs, policies, preflights, retraining

router = APIRouter()
for part in (jobs, retraining, policies, erasure, preflights):
    router.include_router(part.router)
