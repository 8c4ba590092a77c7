"""What one machine runs: which processes, with which settings, stopped in which order."""

from dataclasses import dataclass
from importlib import util
from pathlib import Path

from service import commands
from service.embedded.children import ChildSpec
from service.embedded.health import answers, logged, poller_watches, relay_listens, sender_sends
from service.embedded.ownership import LOOPBACK
from service.settings import Settings

API_FIRST, WORK_NEXT, RELAY_LAST = 0, 1, 2
_WORKER_STOP_SECONDS = 45.0
"""A soft shutdown gives tasks 20 s, then Celery ends them; a training run writes a checkpoint in that time."""
_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the house to run here."""

    training: bool = True
    chat: bool = True


def can_train() -> bool:
    """Whether the extra `train` is installed."""
    return util.find_spec("torch") is not None


def children(settings: Settings, extent: Extent, *, logs: Path, chat_port: int) -> list[ChildSpec]:
    """The processes of the house; their other settings are in the environment that they inherit."""
    found = [
        ChildSpec("api", commands.api(settings.host, settings.port), stop_rank=API_FIRST,
                  sign_of_life=answers(local(settings.host), settings.port, "/healthz")),
        _worker("worker", commands.SHORT_QUEUES, _CONCURRENCY, logs, settings.log_level),
        ChildSpec("relay", commands.relay(), stop_rank=RELAY_LAST,
                  sign_of_life=relay_listens(settings.database_url.get_secret_value())),
        ChildSpec("poller", commands.poller(), stop_rank=WORK_NEXT,
                  sign_of_life=poller_watches(settings.database_url.get_secret_value())),
        ChildSpec("sender", commands.sender(), stop_rank=RELAY_LAST,
                  sign_of_life=sender_sends(settings.database_url.get_secret_value())),
    ]
    if extent.training:
        found.append(_worker("training", commands.TRAINING_QUEUES, 1, logs, settings.log_level))
    if extent.chat:
        found.append(ChildSpec("chat", commands.chat(LOOPBACK, chat_port), stop_rank=WORK_NEXT,
                               sign_of_life=answers(LOOPBACK, chat_port, "/health",
                                                    token=settings.serving_token.get_secret_value())))
    return found


def _worker(name: str, queues: tuple[str, ...], concurrency: int, logs: Path, log_level: str) -> ChildSpec:
    return ChildSpec(name, commands.worker(queues, concurrency=concurrency), commands.WORKER_ENVIRONMENT,
                     stop_rank=WORK_NEXT, stop_seconds=_WORKER_STOP_SECONDS,
                     sign_of_life=logged(logs / f"{name}.log", "ready.", level=log_level))


def local(host: str) -> str:
    """Where this machine reaches what listens on `host`."""
    return LOOPBACK if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared, not bound
