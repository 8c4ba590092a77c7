"""`tuneworks up`: the whole house on one machine, from nothing to a base URL and a key, until asked to stop."""

import ipaddress
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from service import schema
from service.embedded import attachment, house
from service.embedded.credentials import Credentials, keep_credentials
from service.embedded.house import Extent
from service.embedded.ownership import free_port, kept_keys, kept_port, kept_secret, write_private
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.supervisor import Supervisor
from service.embedded.valkey import EmbeddedValkey
from service.settings import NO_CHAT, adopt, settings

KILLED = 130


@dataclass(frozen=True, slots=True)
class Ready:
    """What a caller of the house needs; the content of the ready file."""

    base_url: str
    api_key: str
    admin_key: str
    pids: dict[str, int]


def up(extent: Extent, *, port: int | None, ready_file: Path | None, say: Callable[[str], None],
       welcome: Callable[[Ready, Path], None]) -> int:
    """Run the house until asked to stop; returns the exit code.

    What TUNEWORKS_DATABASE_URL, TUNEWORKS_BROKER_URL, TUNEWORKS_STORAGE_URL and TUNEWORKS_SERVING_URL name is used
    as it is; the rest is made in the data directory. Raises EmbeddedUnavailable, AlreadyInUse, DidNotStart, and
    SQLAlchemyError when a database of somebody else's cannot be migrated.
    """
    directory = settings().data_dir.absolute()
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    with Supervisor(directory, say=say) as supervisor:
        chat_port = _settle(supervisor, port=port)
        extent = replace(extent, chat=extent.chat and bool(chat_port))
        if chat_port and not extent.chat:
            adopt(serving_url=NO_CHAT)
        schema.upgrade()
        credentials = keep_credentials(directory / "credentials.json")
        supervisor.start(house.children(settings(), extent, logs=supervisor.logs, chat_port=chat_port))
        say("Waiting for all processes to show that they work.")
        supervisor.wait_until_healthy()
        attachment.publish(directory)
        try:
            welcome(_announce(supervisor, credentials, ready_file), supervisor.logs)
            supervisor.watch(on_change=partial(_announce, supervisor, credentials, ready_file))
            say("Stopping: the API first, then the workers, which finish or checkpoint what they do. Again to kill.")
        finally:
            attachment.withdraw(directory)
            if ready_file is not None:
                ready_file.unlink(missing_ok=True)
    return KILLED if supervisor.was_killed else 0


def _settle(supervisor: Supervisor, *, port: int | None) -> int:
    """Start what is not given and make the addresses of all parts our settings; returns the chat server's port."""
    given, directory = settings().model_fields_set, supervisor.data_dir
    adopt(data_dir=str(directory))
    if "database_url" not in given:
        server = EmbeddedPostgres(directory / "postgres", log_file=supervisor.logs / "postgres.log")
        adopt(database_url=supervisor.serve("postgres", server))
    if "broker_url" not in given:
        broker = EmbeddedValkey(directory / "valkey", log_file=supervisor.logs / "valkey.log")
        adopt(broker_url=supervisor.serve("valkey", broker))
    for name, part in (("storage_url", "objects"), ("models_dir", "models"), ("work_dir", "runs")):
        if name not in given:
            (directory / part).mkdir(mode=0o700, exist_ok=True)
            adopt(**{name: f"file://{directory / part}" if name == "storage_url" else str(directory / part)})
    if "webhook_allow_private" not in given and _is_loopback(settings().host):
        adopt(webhook_allow_private="true")  # nobody but this machine can call, and its receivers are on it too
    if "remote_allow_private" not in given and _is_loopback(settings().host):
        adopt(remote_allow_private="true")  # the same for servers that train for us
    if not given & {"kek_file", "keks", "kek_command"}:
        adopt(kek_file=str(kept_keys(directory / "credentials.keys")))
    adopt(port=str(kept_port(directory / "port", preferred=settings().port) if port is None else free_port(port)))
    chat_port = 0
    if "serving_url" not in given:
        chat_port = kept_port(directory / "chat.port", preferred=8090)
        adopt(serving_url=f"http://127.0.0.1:{chat_port}", serving_token=kept_secret(directory / "chat.token"))
    return chat_port


def _announce(supervisor: Supervisor, credentials: Credentials, ready_file: Path | None) -> Ready:
    ready = Ready(f"http://{house.local(settings().host)}:{settings().port}/v1", credentials.api_key,
                  credentials.admin_key, supervisor.pids)
    if ready_file is not None:
        write_private(ready_file, json.dumps(asdict(ready), indent=2) + "\n")
    return ready


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
