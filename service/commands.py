"""The command line of every process of the house, in one place: `tuneworks up` starts them, the CLI becomes them.

The service may not import the worker, so its processes are named here and never imported.
"""

import secrets
import sys
from collections.abc import Sequence

SHORT_QUEUES = ("datasets", "io")
TRAINING_QUEUES = ("training",)
WORKER_ENVIRONMENT = {"REMAP_SIGTERM": "SIGQUIT"}
"""Makes Celery take SIGTERM as a soft shutdown: running tasks are told, and get time to bring work to a point."""


def api(host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory", "--host", host, "--port", str(port),
            "--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "8"]


def relay() -> list[str]:
    return [sys.executable, "-m", "worker.relay"]


def poller() -> list[str]:
    return [sys.executable, "-m", "worker.poller"]


def sender() -> list[str]:
    return [sys.executable, "-m", "worker.sender"]


def worker(queues: Sequence[str], *, concurrency: int) -> list[str]:
    """A Celery worker under a name of its own: two workers of one name would take each other's control messages."""
    name = f"{'-'.join(queues)}-{secrets.token_hex(4)}@%h"
    return [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-n", name, "-Q", ",".join(queues),
            "--pool", "prefork", "--concurrency", str(concurrency), "--loglevel", "INFO",
            "--without-gossip", "--without-mingle", "--without-heartbeat"]


def inspect_queues(seconds: float) -> list[str]:
    """Asks all workers which queues they serve and prints their answers as JSON."""
    return [sys.executable, "-m", "celery", "-A", "worker.app", "inspect", "active_queues", "--json",
            "--timeout", str(seconds)]


def chat(host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "worker.serving", "--host", host, "--port", str(port)]


def pull_model(name: str, target: str) -> list[str]:
    return [sys.executable, "-m", "worker.training.base_models", "pull", name, "--to", target]


def count_tokens(base: str, context: int) -> list[str]:
    """Counts the tokens of chats, as training on the base model in directory `base` would."""
    return [sys.executable, "-m", "worker.training.counting", "--base", base, "--context", str(context)]


def preview(directory: str) -> list[str]:
    """Renders the lines that lie in a directory as training would; see worker/training/preview.py."""
    return [sys.executable, "-m", "worker.training.preview", directory]
