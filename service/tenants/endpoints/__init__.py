"""HTTP face of administration, under /v1/organization: admin keys only, wire-exact with OpenAI's SDK."""

from fastapi import APIRouter

from service.tenants.endpoints import admin_keys, audit_logs, project_keys, projects, service_accounts

router = APIRouter(prefix="/v1/organization")
for part in (projects, service_accounts, project_keys, admin_keys, audit_logs):
    router.include_router(part.router)
