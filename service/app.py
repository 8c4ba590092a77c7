"""The API: middleware, routers, error handlers. No logic of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from service.catalog import endpoints as models
from service.chat import endpoints as chat
from service.chat.gateway import Gateway
from service.chat.passing import Passing
from service.credentials import endpoints as credentials
from service.datasets import endpoints as datasets
from service.events import endpoints as events
from service.events.operations import CHANNEL as EVENTS
from service.files import endpoints as files
from service.imports import endpoints as imports
from service.jobs import endpoints as jobs
from service.jobs.operations.transitions import CHANNEL as JOB_LINES
from service.kit import documentation, health, keyring, logging, refusals
from service.kit.database import engine
from service.kit.http import BodyGuard, RequestContext
from service.kit.lifeline import watch_parent
from service.kit.streams.hub import Hub
from service.kit.streams.stopping import stop_with_server
from service.mail import endpoints as mail
from service.settings import settings
from service.tenants import endpoints as tenants
from service.usage import endpoints as usage
from service.webhooks import endpoints as webhooks

ROUTERS: tuple[APIRouter, ...] = (
    files.router,
    datasets.router,
    jobs.router,
    models.router,
    chat.router,
    credentials.router,
    imports.router,
    usage.router,
    events.router,
    webhooks.router,
    mail.router,
    tenants.router,
    health.router,
)
"""One per slice, in the order of the documentation."""

DESCRIPTION = """\
Files, uploads, fine-tuning, models, chat completions, webhooks and the administration of projects as OpenAI's API has \
them, for the official SDKs with another base_url and key.

Every request under /v1 carries an API key as `Authorization: Bearer …`. A project key (tw-proj-…) reaches one \
project: its files, jobs, tuned models and webhooks. An admin key (tw-admin-…) reaches /v1/organization and nothing \
else. \
`tuneworks keys create` makes the first of either.

A request that starts a job or an import may carry an Idempotency-Key: sent again with it, it starts nothing twice and \
is told what it started.

Every answer carries an x-request-id, under which the log tells more. What OpenAI does not have is added beside it: \
`tuning` of a supervised method, the validation of a file, `disabled_at` of a webhook endpoint."""

TAGS = [{"name": name, "description": what} for name, what in (
    ("Files", "Data sets, and the result files of jobs."),
    ("Uploads", "Large files, sent in parts."),
    ("Datasets", "What is wrong with a file, and versions of data that never change. Not in OpenAI's API."),
    ("Reviews", "People decide on the examples of a dataset version before anything is trained. Not in OpenAI's API."),
    ("Fine-tuning", "Jobs, their events and their checkpoints."),
    ("Models", "Base models of the house and tuned models of the project."),
    ("Chat", "Answers of base models and tuned models."),
    ("Credentials", "Keys to other servers, a project's or the whole organization's, encrypted. Not in OpenAI's API."),
    ("Usage", "What was reserved and paid for training at servers that take money. Not in OpenAI's API."),
    ("Imports", "Everything that another server keeps, brought home under its old ids. Not in OpenAI's API."),
    ("Events", "What happened in a project, as a list and as it happens. Not in OpenAI's API."),
    ("Webhooks", "Where signed events are sent when a job has ended."),
    ("Notifications", "Mail to people when something has happened. Not in OpenAI's API."),
    ("Projects", "One per team; what is in one is invisible to every other. With an admin key."),
    ("Service accounts", "Who a project's keys belong to. With an admin key."),
    ("Project API keys", "The keys of a project, without their secrets. With an admin key."),
    ("Admin API keys", "The keys that reach these routes. With an admin key."),
    ("Audit logs", "Who administered what. With an admin key."),
    ("Health", "For load balancers and supervisors; without a key."))]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    logging.configure(settings().log_level)
    watch_parent()
    keyring.warm()
    app.state.gateway, app.state.passing = Gateway(), Passing()
    app.state.streams = Hub([EVENTS, JOB_LINES])
    stop_with_server(app.state.streams)
    yield
    await app.state.streams.close()
    await app.state.gateway.close()
    await app.state.passing.close()
    engine().dispose()


def create_app() -> FastAPI:
    """The application that an ASGI server runs."""
    app = FastAPI(
        title="Tuneworks", version="0.1.0", lifespan=_lifespan, redirect_slashes=False, docs_url=None, redoc_url=None,
        summary="The fine-tuning platform behind one OpenAI-compatible API, in your own house.",
        description=DESCRIPTION, openapi_tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"})
    for router in ROUTERS:
        app.include_router(router)
    documentation.install(app)
    refusals.install(app)
    app.add_middleware(BodyGuard)
    app.add_middleware(RequestContext)
    return app
