"""Other commands find the house that `tuneworks up` runs, and see what it was told of the world outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.embedded import attachment
from service.embedded.ownership import DirectoryLock
from service.settings import settings

GIVEN = {"smtp_url": "smtp://tuneworks:word@mail.example.com", "mail_from": "tw@example.com",
         "public_url": "https://tuneworks.example.com", "webhook_allow": "hooks.internal,10.1.0.0/16",
         "webhook_ports": "443,9443"}
_SHOW = """
import json
from service.embedded import attachment
from service.settings import settings
found = attachment.attach()
seen = settings()
print(json.dumps([found, seen.smtp_url.get_secret_value(), seen.mail_from, seen.public_url, seen.webhook_allow,
                  seen.webhook_ports]))
"""


def test_a_command_in_another_shell_has_the_settings_of_the_house(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(f"TUNEWORKS_{name.upper()}", value)
    settings.cache_clear()
    house = DirectoryLock(tmp_path)
    house.acquire()
    try:
        attachment.publish(tmp_path)
        shown = subprocess.run([sys.executable, "-c", _SHOW], env={"TUNEWORKS_DATA_DIR": str(tmp_path)}, check=True,
                               capture_output=True, timeout=60, cwd=Path(__file__).parents[3])
    finally:
        house.release()
        settings.cache_clear()
    assert json.loads(shown.stdout) == [
        True, GIVEN["smtp_url"], GIVEN["mail_from"], GIVEN["public_url"], ["hooks.internal", "10.1.0.0/16"],
        [443, 9443]]
