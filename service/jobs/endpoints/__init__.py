"""HTTP face of fine-tuning: jobs, what is known before one begins, and what may be trained on or deleted."""

from fastapi import APIRouter

from service.jobs.endpoints import (
    archiving,
    credentials,
    erasure,
    jobs,
    policies,
    preflights,
    remote_webhooks,
    retraining,
    streams,
)

router = APIRouter()
for part in (jobs, retraining, policies, erasure, preflights, credentials, archiving, remote_webhooks,
             streams):
    router.include_router(part.router)
