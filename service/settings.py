"""Everything an operator can set, read once from the environment (prefix TUNEWORKS_) and from `.env`."""

import os
import re
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MiB = 1024 * 1024
GiB = 1024 * MiB

WITHHELD = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "STORAGE_OPTIONS", "SERVING_TOKEN", "KEKS", "KEK_FILE",
            "KEK_COMMAND", "WEBHOOK_PROXY", "SMTP_URL")
"""Settings that open this house's doors: no business of processes that read what tenants made."""


NO_CHAT = "none"
"""The `serving_url` of a house that serves no local models."""


def _divided(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _destination(value: str) -> str:
    """Raises ValueError for what is neither a network nor the name of a host."""
    if "/" in value or ":" in value:
        ip_network(value)
    elif not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        raise ValueError(f"'{value}' is neither a host, as hooks.internal, nor a network, as 10.1.0.0/16")
    return value


def _proxy(value: SecretStr) -> SecretStr:
    """Raises ValueError, without the secret, for what would not be used as a proxy."""
    if value.get_secret_value() and not re.fullmatch(r"https?://[^/?#\s]+/?", value.get_secret_value()):
        raise ValueError("must be http://host:port or https://host:port, with user:word@ before the host if need be")
    return value


Destinations = Annotated[tuple[Annotated[str, AfterValidator(_destination)], ...], NoDecode, BeforeValidator(_divided)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode, BeforeValidator(_divided)]


class Settings(BaseSettings):
    """One flat list: each field is the variable TUNEWORKS_<FIELD>, its description is the documentation."""

    model_config = SettingsConfigDict(env_prefix="TUNEWORKS_", env_file=".env", env_ignore_empty=True,
                                      extra="ignore", frozen=True)

    # -- where things are ------------------------------------------------------------------------------
    database_url: SecretStr = Field(
        SecretStr("postgresql://tuneworks:tuneworks@127.0.0.1:5432/tuneworks"),
        description="PostgreSQL 15 or newer. The login needs membership of the roles that `tuneworks migrate`"
                    " makes (it has it when the same login migrates); every transaction steps down to one.")
    broker_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey (or RabbitMQ) for Celery messages, which are only wake-up calls.")
    storage_url: str = Field(
        "file:///var/lib/tuneworks/objects",
        description="Object store: file:///path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."
                    " Credentials come from the cloud's own variables (AWS_…, GOOGLE_…, AZURE_…).")
    storage_options: dict[str, str] = Field(
        default_factory=dict,
        description='Extra options for the object store as JSON, e.g. {"endpoint": "http://minio:9000"}.')
    data_dir: Path = Field(
        Path(".tuneworks"), description="Directory of `tuneworks up`: its database, broker, objects and logs.")
    work_dir: Path = Field(
        Path(".tuneworks/runs"), description="Scratch space of training runs on this machine.")
    models_dir: Path = Field(
        Path(".tuneworks/models"),
        description="Base models and adapters on this machine's disk; API and chat server must share it.")
    catalog_file: Path | None = Field(
        None, description="TOML file of base models that replaces the built-in catalog.")

    # -- the API ---------------------------------------------------------------------------------------
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="Port the API listens on.")
    public_url: str = Field(
        "", description="Base URL that users see in messages; default http://<host>:<port>.")
    organization_name: str = Field("Tuneworks", description="Name of the organization made by the first start.")
    max_body_bytes: int = Field(4 * MiB, description="Largest JSON body accepted, in bytes.")
    max_file_bytes: int = Field(512 * MiB, description="Largest file accepted by POST /v1/files, in bytes.")
    max_upload_bytes: int = Field(8 * GiB, description="Largest file accepted in parts by /v1/uploads, in bytes.")
    max_part_bytes: int = Field(64 * MiB, description="Largest part of an upload, in bytes.")
    upload_lifetime_seconds: int = Field(3600, description="How long an upload takes parts, in seconds.")
    database_pool_size: int = Field(20, ge=2, description="Database connections per process, at most.")
    body_timeout_seconds: float = Field(
        30.0, gt=0, description="A request body is cut off when it sends nothing for so long, in seconds, or less"
                                " than 1 kB a second from then on.")

    streams_per_project: int = Field(
        100, ge=1, description="Most streams of events that one API process keeps open for one project.")
    stream_seconds: float = Field(
        3600.0, gt=0, description="A stream of events ends after so long, and its client comes back, perhaps to another"
                                  " API process.")

    # -- chat ------------------------------------------------------------------------------------------
    serving_url: str = Field(
        "http://127.0.0.1:8090",
        description="The chat server: the built-in one (`tuneworks serve`) or a vLLM server started with"
                    " --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True; `none`: no local model is served.")
    serving_token: SecretStr = Field(SecretStr(""), description="Bearer token of the chat server, if it asks one.")
    serving_timeout_seconds: float = Field(600.0, description="Longest chat completion, in seconds.")

    # -- work ------------------------------------------------------------------------------------------
    lease_seconds: float = Field(30.0, gt=0, description="A worker that is silent for so long has lost its item.")
    stall_seconds: float = Field(
        1800.0, gt=0, description="A worker that reports no progress for so long has lost its item too.")
    dispatch_seconds: float = Field(
        5.0, gt=0, description="The relay repeats a wake-up call that nobody followed after so long.")
    running_per_project: int = Field(
        8, ge=1, description="Most items of one queue that run at once for one project.")
    training_per_project: int = Field(
        1, ge=1, description="Most local training runs at once for one project.")

    # -- data sets -------------------------------------------------------------------------------------
    segment_bytes: int = Field(
        32 * MiB, ge=1, description="Larger files are read in segments of about so many bytes, side by side.")
    count_exactly_bytes: int = Field(
        64 * MiB, ge=1, description="Of larger files, a sample of about so many bytes is counted with a base model's"
                                    " own tokenizer, and the rest is extrapolated.")

    retirement_warning_days: int = Field(
        90, ge=0, description="A pre-flight warns of a model that shuts down, or whose training ends, within so many"
                              " days.")
    retirement_action: Literal["warn", "refuse"] = Field(
        "warn", description="What happens to jobs on such a model: warn, or refuse. A project's training policy may"
                            " ask for more.")
    preflight_count_seconds: float = Field(
        30.0, ge=0, description="A pre-flight waits at most so long for the count of a local model's own tokens, in"
                                " seconds; it then takes a factor.")

    # -- imports ---------------------------------------------------------------------------------------
    import_requests_per_second: float = Field(
        8.0, gt=0, description="An import asks the server that it reads at most so often a second.")

    # -- webhooks --------------------------------------------------------------------------------------
    webhook_allow_private: bool = Field(
        default=False, description="Allow http:// and loopback or private addresses (development only).")
    webhook_allow: Destinations = Field(
        (), description="Hosts and networks, divided by commas, that webhooks may go to though they are private, by"
                        " http:// too and on any port: hooks.internal,10.1.0.0/16. A network is one of addresses;"
                        " http:// needs the host or the literal address.")
    webhook_ports: Ports = Field(
        (443, 8443), description="Ports of public hosts that webhooks may go to, divided by commas.")
    webhook_proxy: Annotated[SecretStr, AfterValidator(_proxy)] = Field(
        SecretStr(""), description="Proxy that webhooks leave the house by, as http://user:word@host:port. It resolves"
                                   " the names then, and must refuse private addresses itself, as Smokescreen does.")
    webhook_timeout_seconds: float = Field(20.0, gt=0, description="Total time for one delivery, in seconds.")

    webhook_concurrency: int = Field(
        4, ge=1, description="How many deliveries one sender has under way to one endpoint, at most.")
    events_days: int = Field(
        30, ge=4, description="Events, and what became of their deliveries, are kept for so many days; longer than the"
                              " three for which anything is tried.")

    # -- mail ------------------------------------------------------------------------------------------
    smtp_url: SecretStr = Field(
        SecretStr(""), description="The mail server: smtp://user:password@host:587 (STARTTLS), smtps://… (TLS from the"
                                   " start) or smtp+plain://… (in the clear, for a relay on this machine). Empty: no"
                                   " mail is sent.")
    mail_from: str = Field(
        "", description="Who writes, such as `Tuneworks <tuneworks@example.com>`. Links in mails begin with the"
                        " public_url.")
    smtp_timeout_seconds: float = Field(
        20.0, gt=0, description="How long a mail server may be silent, in seconds.")
    smtp_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that certify the mail server; by default those of the system.")

    # -- other servers, and the keys to them -----------------------------------------------------------
    remote_allow_private: bool = Field(
        default=False, description="Let credentials name http:// and loopback or private addresses (development, or a"
                                   " server of your own in the same network).")
    kek_file: Path | None = Field(
        None, description="File of key-encryption keys, under which credentials are kept: lines of name:base64 of 32"
                          " bytes, the last one is current. `tuneworks credentials new-kek` adds one.")
    keks: SecretStr = Field(
        SecretStr(""), description="The same lines, in place of a file (commas may divide them).")
    kek_command: str = Field(
        "", description="The same lines, as a program prints them: asks a key management service or a vault, once per"
                        " process, for instance `aws kms decrypt …`.")

    # -- servers that train for money ------------------------------------------------------------------
    remote_look_seconds: float = Field(
        5.0, gt=0, description="A job whose creation got no answer is first looked for after so long, then after twice"
                               " that, and so on.")
    remote_looks: int = Field(
        5, ge=1, description="It is sent again only after it was looked for in vain so many times,")
    remote_settle_seconds: float = Field(
        600.0, gt=0, description="and for so long: lists of servers may lag behind what they made.")
    remote_sends: int = Field(
        3, ge=1, description="A job is failed whose creation got no answer so often, though nothing was ever found.")
    remote_follow_seconds: float = Field(
        60.0, gt=0, description="How often the log of a job that runs elsewhere is read; seldom for old jobs.")
    remote_missing_seconds: float = Field(
        600.0, gt=0, description="A job of which its server knows nothing for so long is failed.")
    remote_sweep: bool = Field(
        default=True, description="Look for training that nobody waits for, and cancel it. Switch it off in a copy of"
                                  " a house's database, which would take its original's jobs for such.")
    remote_sweep_seconds: float = Field(600.0, gt=0, description="How often, for each credential.")
    remote_orphan_seconds: float = Field(
        600.0, ge=0, description="Training that nobody waits for is cancelled when it is so old.")
    stuck_hours: dict[str, float] = Field(
        default_factory=lambda: {"waiting": 24.0, "running": 96.0, "paused": 720.0, "unknown": 24.0},
        description="A job that stays in one state at its server for longer is told of by the event"
                    " fine_tuning.job.stuck; as JSON, with any of these states.")
    poll_requests_per_second: float = Field(
        5.0, gt=0, description="How many requests a second a poller makes with one credential, in the long run.")
    poll_timeout_seconds: float = Field(
        20.0, gt=0, description="A poller waits so long for one answer, in seconds; less than half of its lease.")
    poll_lease_seconds: float = Field(
        60.0, gt=0, description="The jobs that a killed poller held are polled by another after so long.")

    # -- everything else -------------------------------------------------------------------------------
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    parent_fd: int | None = Field(
        None, description="Set by a supervisor for its children: the pipe whose end tells that it died.")
    instance: str = Field(
        "", description="Set by a supervisor for its children: marks the processes of one `tuneworks up`.")


@cache
def settings() -> Settings:
    """The settings of this process, read once; `settings.cache_clear()` makes the next call read again."""
    return Settings()


def child_environment(**overrides: str | None) -> dict[str, str]:
    """The environment for a process that we start: ours, with `overrides` (None takes a variable away).

    Our own supervisor's pipe is not passed on: its number means nothing in another process.
    """
    changed = {"TUNEWORKS_PARENT_FD": None, **overrides}
    inherited = {name: value for name, value in os.environ.items() if name not in changed}
    return inherited | {name: value for name, value in changed.items() if value is not None}


def bare_environment(**overrides: str | None) -> dict[str, str]:
    """The same without what is `WITHHELD`: for processes that read what tenants made."""
    return child_environment(**dict.fromkeys((f"TUNEWORKS_{name}" for name in WITHHELD), None), **overrides)


def environment_secret(variable: str) -> SecretStr | None:
    """A secret that somebody keeps in a variable of their own naming; None where it is not set or empty."""
    value = os.environ.get(variable, "")
    return SecretStr(value) if value else None


def adopt(**values: str) -> None:
    """Change settings of this process and of what it starts, as in `adopt(port="8081")`."""
    os.environ.update({f"TUNEWORKS_{name.upper()}": value for name, value in values.items()})
    settings.cache_clear()
