"""The command `tuneworks`: one door for everything an operator does."""

import sys

from alembic.util.exc import CommandError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from service.catalog.base_models import InvalidCatalog
from service.cli import (  # imported for the commands that they register
    configuration,
    convert,
    credentials,
    database,
    estimate,
    events,
    examination,
    house,
    imports,
    keys,
    models,
    processes,
    validate,
)
from service.cli.application import app, stderr
from service.cli.failures import explain
from service.embedded.errors import AlreadyInUse, DidNotStart, EmbeddedUnavailable
from service.kit.errors import ServiceError

__all__ = ["app", "configuration", "convert", "credentials", "database", "estimate", "events", "examination", "house",
           "imports", "keys", "main", "models", "processes", "validate"]


def main() -> None:
    """Run the command line; what an operator can put right ends in words and exit code 1, not in a traceback."""
    try:
        app()
    except (AlreadyInUse, DidNotStart, EmbeddedUnavailable, ServiceError, SQLAlchemyError, ValidationError, OSError,
            CommandError, InvalidCatalog) as problem:
        stderr.print(f"[red]Error:[/] {explain(problem)}", highlight=False, soft_wrap=True)
        sys.exit(1)
