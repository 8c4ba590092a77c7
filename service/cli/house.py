"""`tuneworks up`, and the greeting it gives when everything runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from service.cli.application import TOGETHER, app, stderr, stdout
from service.embedded import house, stack
from service.embedded.house import Extent
from service.embedded.stack import Ready
from service.settings import Settings, adopt, settings

_SNIPPET = """\
from openai import OpenAI
client = OpenAI(base_url="{base_url}", api_key="{api_key}")
file = client.files.create(file=open("train.jsonl", "rb"), purpose="fine-tune")
job = client.fine_tuning.jobs.create(model="smollm2-135m-instruct", training_file=file.id)
print(client.fine_tuning.jobs.retrieve(job.id).status)"""
_USUAL_DIRECTORY = Path(Settings.model_fields["data_dir"].default)


@app.command(rich_help_panel=TOGETHER, epilog="Examples:\n\n    tuneworks up\n\n    tuneworks up --data-dir"
             " /srv/tuneworks --port 9000\n\n    tuneworks up --ready-file ready.json --no-training")
def up(*,
       data_dir: Annotated[Path | None, typer.Option(
           help="Where database, broker, objects, models and logs live (default: TUNEWORKS_DATA_DIR, else .tuneworks).",
           file_okay=False)] = None,
       port: Annotated[int | None, typer.Option(
           min=0, max=65535, help="Port of the API; another is picked when it is taken.")] = None,
       ready_file: Annotated[Path | None, typer.Option(
           dir_okay=False, help="Write base URL, keys and process ids there as JSON when everything works.")] = None,
       training: Annotated[bool, typer.Option(help="Train on this machine.")] = True,
       chat: Annotated[bool, typer.Option(help="Serve local models on this machine.")] = True) -> None:
    """Run the whole house on this machine: database, broker, API, relay, poller, sender, workers and chat server.

    What TUNEWORKS_DATABASE_URL, …_BROKER_URL, …_STORAGE_URL or …_SERVING_URL name is used; the rest is started here.

    Data stays in the data directory. Ctrl-C stops everything in order, a second one at once.
    """
    if data_dir is not None:
        adopt(data_dir=str(data_dir))
    if (training or chat) and not house.can_train():
        stderr.print("[yellow]Training and chat are left out: PyTorch is not installed. To have them:"
                     " pip install 'tuneworks\\[train]'[/]")
        training = chat = False
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    code = stack.up(Extent(training=training, chat=chat), port=port,
                    ready_file=ready_file.absolute() if ready_file else None, say=_say, welcome=_welcome)
    raise typer.Exit(code)


def _say(line: str) -> None:
    stderr.print(escape(line), soft_wrap=True)


def _welcome(ready: Ready, logs: Path) -> None:
    facts = Table.grid(padding=(0, 2))
    for name, value in (("Base URL", ready.base_url), ("Project key", ready.api_key),
                        ("Admin key", ready.admin_key), ("API pages", ready.base_url.removesuffix("/v1") + "/docs"),
                        ("Logs", str(logs))):
        facts.add_row(f"[bold]{name}[/]", escape(value))
    stdout.print(Panel(facts, title="Tuneworks is up", border_style="green", expand=False))
    stdout.print("\nWith the official OpenAI SDK:\n")
    stdout.print(escape(_SNIPPET.format(base_url=ready.base_url, api_key=ready.api_key)), soft_wrap=True)
    stdout.print("\n[bold]Ctrl-C[/] stops everything; data and keys stay."
                 f" `{escape(_command('doctor'))}` tells how it is.", soft_wrap=True)


def _command(name: str) -> str:
    """A command for another terminal, which finds this house by its data directory."""
    here = settings().data_dir.absolute()
    return f"tuneworks {name}" if here == _USUAL_DIRECTORY.absolute() else f"TUNEWORKS_DATA_DIR={here} tuneworks {name}"
