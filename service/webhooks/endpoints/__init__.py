"""HTTP face of webhooks: endpoints as OpenAI's SDK has them, what was delivered to them, and how to verify it."""

from fastapi import APIRouter

from service.webhooks.endpoints import deliveries, registration, replaying, verification

router = APIRouter(tags=["Webhooks"])
for part in (registration, deliveries, replaying, verification):
    router.include_router(part.router)
