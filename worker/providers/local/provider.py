"""The local provider: starts a run's processes, and reads what they tell."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from service.jobs.plans import TrainingPlan
from worker.providers.base import Failed, Handle, HandleLost, Running, Update
from worker.providers.local.processes import Process, printed, start
from worker.providers.local.records import digest, outcome
from worker.providers.local.runs import run_directory, take_over, tell, write_orders
from worker.training import plan as orders
from worker.training import progress


class LocalProvider:
    """See worker/providers/base.py.

    A handle is {"run": directory, "offset": bytes of progress read, "begin": where this process's own begin}. A run
    that goes on is read from the start again: its supervisor may have died before it recorded what was told.
    """

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}

    def submit(self, plan: TrainingPlan) -> Handle:
        run = run_directory(plan.job_id)
        run.mkdir(parents=True, exist_ok=True)
        lock = take_over(run)
        try:
            write_orders(run, plan)
            (run / orders.STOP_FILE).unlink(missing_ok=True)
            _, begin = progress.read_progress(run / orders.PROGRESS_FILE)
            self._processes[str(run)] = start(run, lock, plan)
        finally:
            os.close(lock)  # the child holds the same lock through its own copy
        return {"run": str(run), "offset": 0, "begin": begin}

    def poll(self, handle: Handle) -> Update:
        run = Path(handle["run"])
        process = self._processes.get(str(run))
        if process is None:
            raise HandleLost(f"This worker runs no training in {run}.")
        code = process.popen.poll()  # asked before reading, so that nothing written before the end is missed
        if process.is_fetching:
            return self._poll_fetching(handle, process, code)
        records, offset = progress.read_progress(run / orders.PROGRESS_FILE, handle["offset"])
        running = digest(records, handle | {"offset": offset})
        return Update(running, None if code is None else outcome(run, handle["begin"], code))

    def _poll_fetching(self, handle: Handle, process: Process, code: int | None) -> Update:
        model = process.plan.base_model_id
        if code is None:
            return Update(Running(handle, stage="fetching", notes=(f"Fetching the base model {model}",)))
        if code != 0:
            reason = (printed(Path(handle["run"])).splitlines() or ["no reason given"])[-1]
            return Update(Running(handle), Failed(
                "base_model_unavailable", f"The base model '{model}' could not be fetched: {reason}", "model",
                transient=True))
        self.release(handle)
        return Update(Running(self.submit(process.plan)))

    def cancel(self, handle: Handle) -> None:
        tell(handle, "cancel")

    def pause(self, handle: Handle) -> None:
        tell(handle, "pause")

    def release(self, handle: Handle) -> None:
        process = self._processes.pop(handle["run"], None)
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()
        os.close(process.lifeline)

    def discard(self, plan: TrainingPlan) -> None:
        shutil.rmtree(run_directory(plan.job_id), ignore_errors=True)
