"""The API: middleware, routers, error handlers. No logic of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from service.catalog import endpoints as models
from service.chat import endpoints as chat
from service.chat.gateway import Gateway
from service.datasets import endpoints as datasets
from service.files import endpoints as files
from service.jobs import endpoints as jobs
from service.kit import health, logging, refusals
from service.kit.database import engine
from service.kit.http import BodyGuard, RequestContext
from service.kit.lifeline import watch_parent
from service.settings import settings
from service.tenants import endpoints as tenants
from service.webhooks import endpoints as webhooks

ROUTERS: tuple[APIRouter, ...] = (
    files.router,
    datasets.router,
    jobs.router,
    models.router,
    chat.router,
    webhooks.router,
    tenants.router,
    health.router,
)
"""One per slice, in the order of the documentation."""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    logging.configure(settings().log_level)
    watch_parent()
    app.state.gateway = Gateway()
    yield
    await app.state.gateway.close()
    engine().dispose()


def create_app() -> FastAPI:
    """The application that an ASGI server runs."""
    app = FastAPI(
        title="Tuneworks", version="0.1.0", lifespan=_lifespan, redirect_slashes=False,
        summary="The fine-tuning platform behind one OpenAI-compatible API, in your own house.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"})
    for router in ROUTERS:
        app.include_router(router)
    refusals.install(app)
    app.add_middleware(BodyGuard)
    app.add_middleware(RequestContext)
    return app
