"""Opens the two doors at AWS with one credential, and with nothing else that lies about on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from service.credentials.operations import OpenCredential
from worker.providers.bedrock.failures import translating
from worker.providers.remote import Unusable

_CONNECT_SECONDS, _READ_SECONDS = 10, 60


@cache
def _loader() -> Any:
    """The descriptions of AWS's services, read once a process: Bedrock's alone is some megabytes."""
    from botocore.loaders import Loader  # an extra of its own, and slow to import

    return Loader(include_default_search_paths=True)


def _session() -> Any:
    """A session that reads neither files nor profiles of whoever runs this process."""
    from botocore.session import Session

    nowhere = (None, None, os.devnull, None)
    session = Session(session_vars={"config_file": nowhere, "credentials_file": nowhere,
                                    "profile": (None, None, None, None)})
    session.register_component("data_loader", _loader())
    return session


def _config() -> Any:
    """One try, short waits, no proxy and no endpoint from the environment.

    The signature is named because AWS_BEARER_TOKEN_BEDROCK in the environment would take the credential's place: the
    tenant's jobs would run, and be paid, in the house's own account.
    """
    from botocore.config import Config

    return Config(signature_version="v4", retries={"total_max_attempts": 1, "mode": "standard"},
                  connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, proxies={},
                  ignore_configured_endpoint_urls=True, max_pool_connections=4,
                  request_checksum_calculation="when_required", response_checksum_validation="when_required")


def open_clients(credential: OpenCredential) -> tuple[Any, Any]:
    """Bedrock's and S3's. A base URL takes the place of both: for servers that imitate AWS."""
    options = credential.options
    try:
        session, config = _session(), _config()
    except ImportError as missing:
        raise Unusable("provider_not_installed",
                       "boto3 is not installed here: pip install 'tuneworks[bedrock]'.") from missing
    known = {"region_name": options.get("region"), "endpoint_url": credential.base_url,
             "aws_access_key_id": options.get("access_key_id"), "aws_secret_access_key": credential.secret,
             "aws_session_token": credential.session_token}
    with translating("opening AWS"), _naming(credential.base_url):
        return (session.create_client("bedrock", config=config, **known),
                session.create_client("s3", config=config.merge(_s3_config(credential.base_url)), **known))


@contextmanager
def _naming(base_url: str | None) -> Iterator[None]:
    """A base URL that is none is told as such."""
    try:
        yield
    except ValueError as invalid:
        if base_url is None:
            raise
        raise Unusable("invalid_base_url", "The credential's base URL is none that AWS's library takes.") from invalid


def _s3_config(base_url: str | None) -> Any:
    from botocore.config import Config

    return Config(signature_version="s3v4", s3={"addressing_style": "path" if base_url else "auto"})
