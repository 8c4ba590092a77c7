"""HTTP face of credentials: a project's own under /v1/credentials, the organization's under /v1/organization."""

from fastapi import APIRouter

from service.credentials.endpoints import projects, shared

router = APIRouter(prefix="/v1", tags=["Credentials"])
for part in (projects, shared):
    router.include_router(part.router)
