"""Two Celery apps whose tasks only write down when they started: ours with its claim and lease, and a plain one."""

import os
import time
from datetime import timedelta
from pathlib import Path

from celery import Celery

from service.kit.work import Work
from service.settings import settings
from worker.app import Running, app, task

__all__ = ["KIND", "app", "broker_url", "journal", "plain", "stamp"]
KIND = Work.EXPIRE_UPLOAD
app.conf.include = ()  # of all handlers, ours below is the only one


def broker_url() -> str:
    return settings().broker_url.get_secret_value()


def journal() -> Path:
    """Where starts are written down: `<subject> <seconds since 1970>` each."""
    return settings().work_dir.parent / "starts"


def write_down(name: str) -> None:
    line = f"{name} {time.time()}\n".encode()
    handle = os.open(journal(), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line)
    os.close(handle)


@task(KIND)
def ours(running: Running) -> timedelta | None:
    write_down(running.claim.subject)
    done: timedelta | None = None
    return done


plain = Celery("plain", broker=broker_url())
plain.conf.update(task_ignore_result=True)


stamp = plain.task(write_down, name="stamp")
