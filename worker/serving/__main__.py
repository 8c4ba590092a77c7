"""The chat server's process: `python -m worker.serving --port 8100 --base NAME=DIR` serves until told to stop.

When the socket is open it writes one line of JSON to standard output: {"url": ..., "pid": ...}. It ends on SIGTERM
or SIGINT, letting running answers finish for `--drain` seconds, and when TUNEWORKS_PARENT_FD, the read end of a
pipe that only the parent holds open, reaches its end. TUNEWORKS_SERVING_TOKEN is the shared secret, if there is one.
"""

import os
import sys

# Libraries read these when they are imported. Models come from disk and nothing else does. Torch's threads sleep
# while they wait for each other: spinning costs 5 to 8 times the speed as soon as other processes want the cores.
BEFORE_IMPORTS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def main() -> None:
    os.environ.update(BEFORE_IMPORTS)  # this process is not the house's: it has settings of its own
    from .process import run  # not before the lines above

    run(sys.argv[1:], os.environ)


if __name__ == "__main__":
    main()
