"""Watches a house while it is struck: whether fences only rise, and how soon after each blow work moves again."""

import threading
import time
from types import TracebackType
from typing import Self

from openai import OpenAI
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.kit.database import DISPATCH, Scope, transaction

_EVERY_SECONDS = 0.2


class Watch:
    """A context with a thread that reads the database a few times a second; it waits where that is down."""

    def __init__(self, client: OpenAI) -> None:
        with client.files.with_streaming_response.list() as answer:
            self.scope = Scope.project(answer.headers["openai-project"])
        self.fences: dict[str, int] = {}
        self.fallen: list[str] = []
        self.takeovers = 0
        self.recoveries: dict[str, tuple[int, float]] = {}
        "By blow: how often it struck, and the longest time in seconds until the next line of any job's log."
        self._open: dict[str, float] = {}
        self._lines = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def blow(self, name: str) -> None:
        count, slowest = self.recoveries.get(name, (0, 0.0))
        self.recoveries[name] = (count + 1, slowest)
        self._open.setdefault(name, time.monotonic())

    def _look(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            try:
                self._fences()
                self._progress()
            except SQLAlchemyError:
                continue

    def _fences(self) -> None:
        with transaction(DISPATCH) as session:
            rows = session.execute(text("select id, kind, fence, crashes from work_items")).all()
        for row in rows:
            before = self.fences.get(row.id, 0)
            if row.fence < before:
                self.fallen.append(f"{row.kind} {row.id}: fence {before}, then {row.fence}")
            self.takeovers += row.crashes > 0 and row.fence > before
            self.fences[row.id] = row.fence

    def _progress(self) -> None:
        with transaction(self.scope) as session:
            lines: int = session.execute(text("select count(*) from job_events")).scalar_one()
        if lines > self._lines:
            self._lines = lines
            for name, since in [(name, self._open.pop(name)) for name in list(self._open)]:
                count, slowest = self.recoveries[name]
                self.recoveries[name] = (count, max(slowest, time.monotonic() - since))
