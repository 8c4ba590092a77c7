"""All benchmarks, one after another, each in a process of its own: `python -m benchmarks`."""

import subprocess
import sys

NAMES = ("validation", "work", "api", "upload", "polling", "webhooks", "chat", "training")


def main() -> int:
    return max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode for name in NAMES)


if __name__ == "__main__":
    sys.exit(main())
