"""The tables of every slice in one place, for Alembic's comparison."""

from service.catalog import tables as catalog
from service.credentials import tables as credentials
from service.datasets import tables as datasets
from service.events import tables as events
from service.files import tables as files
from service.imports import tables as imports
from service.jobs import tables as jobs
from service.kit import idempotency, work
from service.kit.database import Base
from service.mail import tables as mail
from service.tenants import tables as tenants
from service.usage import tables as usage
from service.webhooks import tables as webhooks

SLICES = (tenants, events, files, datasets, credentials, catalog, jobs, imports, webhooks, mail, usage, work,
          idempotency)
metadata = Base.metadata
