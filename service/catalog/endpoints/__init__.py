"""HTTP face of the catalog: models, and which of them stands in for which."""

from fastapi import APIRouter

from service.catalog.endpoints import mappings, models

router = APIRouter(prefix="/v1", tags=["Models"])
for part in (models, mappings):
    router.include_router(part.router)
