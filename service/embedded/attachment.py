"""Lets the other commands find a house that `tuneworks up` runs, without a variable being set.

    data_dir/settings.json   the addresses of its parts (mode 0600: it holds their passwords), while it runs
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.embedded.ownership import DirectoryLock, write_private
from service.settings import adopt, settings

_SHARED = ("database_url", "broker_url", "storage_url", "serving_url", "serving_token", "models_dir", "work_dir",
           "host", "port", "public_url", "webhook_allow_private", "webhook_allow", "webhook_ports", "webhook_proxy",
           "remote_allow_private", "kek_file", "smtp_url", "mail_from", "smtp_ca_file")


def publish(directory: Path) -> None:
    """Write down the addresses that are in force."""
    values = {name: getattr(settings(), name) for name in _SHARED}
    plain = {name: _plain(value) for name, value in values.items() if value is not None}
    write_private(_file(directory), json.dumps(plain, indent=2) + "\n")


def _plain(value: Any) -> str:
    """As its variable has it."""
    if hasattr(value, "get_secret_value"):
        return str(value.get_secret_value())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def withdraw(directory: Path) -> None:
    _file(directory).unlink(missing_ok=True)


def attach() -> bool:
    """Take the addresses of the house that runs in our data directory, but for those that are set; False: none runs."""
    directory = settings().data_dir.absolute()
    if not _file(directory).exists() or not DirectoryLock(directory).is_held():
        return False
    with suppress(OSError, ValueError):
        found = json.loads(_file(directory).read_text())
        given = settings().model_fields_set
        adopt(**{name: str(found[name]) for name in _SHARED if name in found and name not in given})
        return True
    return False


def _file(directory: Path) -> Path:
    return directory / "settings.json"
