"""What can be seen on this machine alone: Python, disk, models, the training extra, and risky settings."""

import platform
import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

from service.catalog.base_models import base_models as known_models
from service.doctor.findings import Result, fail, ok, warn
from service.settings import GiB, child_environment, settings

_OLDEST_PYTHON = (3, 11)
_LITTLE_DISK, _SOME_DISK = 1 * GiB, 10 * GiB
_TORCH_SECONDS = 15.0
_DEVICE = ("import torch; print(f'{torch.cuda.device_count()} x {torch.cuda.get_device_name()}' "
           "if torch.cuda.is_available() else f'CPU, {torch.get_num_threads()} threads')")


def python() -> Result:
    if sys.version_info[:2] < _OLDEST_PYTHON:
        return fail(platform.python_version(), "Tuneworks needs Python 3.11 or newer.")
    return ok(platform.python_version())


def disk() -> Result:
    place = _existing(settings().data_dir.absolute())
    free = shutil.disk_usage(place).free
    found = f"{free / GiB:.1f} GiB free at {place}"
    if free < _LITTLE_DISK:
        return fail(found, "Free some space: uploads, checkpoints and the database will fail.")
    if free < _SOME_DISK:
        return warn(found, "Enough to try things; training larger models needs more.")
    return ok(found)


def base_models() -> Result:
    local = [entry for entry in known_models() if entry.weights is not None]
    here = [entry.id for entry in local if entry.directory.is_dir()]
    if not here:
        return warn(f"none in {settings().models_dir.absolute()}",
                    f"`tuneworks models pull {local[0].id}` fetches one." if local else "The catalog names none.")
    return ok(", ".join(here))


def training() -> Result:
    """Asks another process about devices: this one must not load PyTorch."""
    if util.find_spec("torch") is None:
        return warn("PyTorch is not installed", "To train and chat on this machine: pip install 'tuneworks[train]'.")
    version = metadata.version("torch")
    try:
        asked = subprocess.run([sys.executable, "-c", _DEVICE], env=child_environment(), capture_output=True, text=True,
                               timeout=_TORCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return warn(f"PyTorch {version}, which did not name its devices within {_TORCH_SECONDS:.0f} s",
                    "The machine may be busy; otherwise look at its drivers.")
    if asked.returncode != 0:
        cause = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
        return fail(f"PyTorch {version} does not load: {cause}", "Install it again: pip install 'tuneworks[train]'.")
    return ok(f"PyTorch {version} on {asked.stdout.strip()}")


def webhooks() -> Result:
    if settings().webhook_allow_private:
        return warn("private and loopback addresses are allowed",
                    "Right for one machine; in a network unset TUNEWORKS_WEBHOOK_ALLOW_PRIVATE.")
    allowed = ", ".join(settings().webhook_allow)
    way = ", by the house's proxy" if settings().webhook_proxy.get_secret_value() else ""
    return ok(f"public https addresses{f', and {allowed}' if allowed else ' only'}{way}")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
