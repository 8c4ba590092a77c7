"""The command `python -m worker.training RUN_DIR`: trains the job of a directory, in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from worker.training.plan import PARENT_FD_VARIABLE, ExitCode

# Before any import of the libraries: training never fetches anything, and TRL would phone home.
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "warning",
    "TOKENIZERS_PARALLELISM": "false",
}

# On a machine with other work, torch's threads otherwise burn their time waiting for each other: measured 5 to 30
# times slower with one busy neighbour on two cores.
_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}


def main(arguments: list[str]) -> ExitCode:
    """Train, and return how it ended; the records in RUN_DIR/progress.jsonl say it in full."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m worker.training RUN_DIR\n")
        return ExitCode.REJECTED
    environment = os.environ  # the supervisor speaks to this process by it, and torchrun too
    environment.update(_QUIET)
    for name, value in _PATIENT.items():
        environment.setdefault(name, value)
    # Only now, since the libraries read these variables while they are imported.
    from worker.training.run import run  # not before the environment is set
    from worker.training.stopping import parent_pipe

    under_torchrun = "TORCHELASTIC_RUN_ID" in environment
    parent = parent_pipe(environment.get(PARENT_FD_VARIABLE), under_torchrun=under_torchrun)
    return run(Path(arguments[0]), parent=parent)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Past the interpreter's own farewell, which waits for the threads of torch and of a broken process group.
    os._exit(code)
