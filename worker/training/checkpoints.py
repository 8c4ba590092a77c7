"""Keeps the checkpoints of one run: RUN_DIR/checkpoints/step-N, written whole, the last few kept, torn ones removed."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from worker.training.manifests import is_whole, remove_leftovers, whole_directory

TRAINER_STATE = "trainer"  # the sub-directory with optimizer, scheduler and random state; the rest is the model


class Checkpoints:
    """The checkpoint directories under one root."""

    def __init__(self, root: Path, *, keep: int) -> None:
        self.root = root
        self._keep = keep

    def path(self, step: int) -> Path:
        return self.root / f"step-{step}"

    def steps(self) -> list[int]:
        """The steps that have a directory, oldest first; whether it is whole is not looked at."""
        names = (re.fullmatch(r"step-(\d+)", path.name) for path in self.root.glob("step-*"))
        return sorted(int(name[1]) for name in names if name)

    def newest(self) -> int | None:
        """The step of the newest whole checkpoint; torn ones and leftovers on the way to it are removed."""
        remove_leftovers(self.root, "step-*")
        for step in reversed(self.steps()):
            if is_whole(self.path(step)):
                return step
            shutil.rmtree(self.path(step))
        return None

    @contextlib.contextmanager
    def writing(self, step: int, **about: str | int | bool) -> Iterator[Path]:
        """Yield a directory to fill, which becomes `step-N`; afterwards only the last few checkpoints are left."""
        with whole_directory(self.path(step), about={"step": step, **about}) as building:
            (building / TRAINER_STATE).mkdir()
            yield building
        for old in self.steps()[: -self._keep]:
            shutil.rmtree(self.path(old), ignore_errors=True)
