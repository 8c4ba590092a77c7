"""HTTP face of data sets: what is wrong with a file, and what is kept, changed and reviewed."""

from fastapi import APIRouter

from service.datasets.endpoints import datasets, examples, previews, reviews, validation, versions

router = APIRouter()
for part in (validation, examples, datasets, versions, previews, reviews):
    router.include_router(part.router)
