"""`tuneworks api | relay | poller | sender | worker | serve`: one process each, which takes this one's place."""

import os
from typing import Annotated

import typer

from service import commands
from service.cli.application import SINGLE, app
from service.embedded.attachment import attach
from service.kit.work import Queue
from service.settings import child_environment, settings


@app.command(rich_help_panel=SINGLE, epilog="Example:\n\n    tuneworks api --host 0.0.0.0 --port 8080")
def api(host: Annotated[str | None, typer.Option(help="Address to listen on (default: TUNEWORKS_HOST).")] = None,
        port: Annotated[int | None, typer.Option(
            min=0, max=65535, help="Port to listen on (default: TUNEWORKS_PORT).")] = None) -> None:
    """Answer HTTP. Run as many as you like; they hold no state."""
    _become(commands.api(host or settings().host, settings().port if port is None else port))


@app.command(rich_help_panel=SINGLE)
def relay() -> None:
    """Send due work from Postgres to the broker. Two or more are safe, and one may die."""
    _become(commands.relay())


@app.command(rich_help_panel=SINGLE)
def poller() -> None:
    """Ask other servers how the jobs stand that they train. Two or more are safe, and one may die."""
    _become(commands.poller())


@app.command(rich_help_panel=SINGLE)
def sender() -> None:
    """Tell webhook endpoints what happened. Two or more are safe, and one may die."""
    _become(commands.sender())


@app.command(rich_help_panel=SINGLE, epilog="Examples:\n\n    tuneworks worker --queues datasets,io"
             " --concurrency 8\n\n    tuneworks worker --queues training --concurrency 1")
def worker(queues: Annotated[str, typer.Option(
               help=f"Which work to do, separated by commas: {', '.join(Queue)}.")] = ",".join(commands.SHORT_QUEUES),
           concurrency: Annotated[int | None, typer.Option(
               min=1, help="How many items at once (default: 1 for training, otherwise 4).")] = None) -> None:
    """Do work. Give training a worker of its own; SIGTERM lets running work come to a good point."""
    asked = [name.strip() for name in queues.split(",") if name.strip()]
    unknown = sorted(set(asked) - {queue.value for queue in Queue})
    if unknown or not asked:
        raise typer.BadParameter(f"{', '.join(unknown) or 'nothing'} is no queue; there are {', '.join(Queue)}.",
                                 param_hint="--queues")
    if concurrency is None:
        concurrency = 1 if Queue.TRAINING in asked else 4
    _become(commands.worker(asked, concurrency=concurrency), **commands.WORKER_ENVIRONMENT)


@app.command(rich_help_panel=SINGLE, epilog="Example:\n\n    tuneworks serve --port 8090")
def serve(host: Annotated[str, typer.Option(help="Address to listen on; keep it private.")] = "127.0.0.1",
          port: Annotated[int, typer.Option(min=0, max=65535)] = 8090) -> None:
    """Answer chat completions for local models. The API reaches it under TUNEWORKS_SERVING_URL."""
    _become(commands.chat(host, port))


def _become(command: list[str], **environment: str) -> None:
    attach()
    os.execvpe(command[0], command, child_environment(**environment))  # noqa: S606 - our own command line
