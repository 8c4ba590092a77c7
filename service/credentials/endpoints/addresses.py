"""What is looked at before a request about a credential begins its transaction: its URL, and the house's keys."""

from fastapi.concurrency import run_in_threadpool

from service.credentials.errors import UnusableBaseURL
from service.kit import keyring
from service.kit.addresses import ForbiddenAddress, InvalidURL
from service.kit.connections import resolve_early
from service.settings import settings


async def look_at(base_url: str | None) -> None:
    """Raises UnusableBaseURL for a URL that workers would refuse to call, and EncryptionUnavailable."""
    await run_in_threadpool(keyring.keyring)
    if base_url is None:
        return
    if "?" in base_url or "#" in base_url:
        raise UnusableBaseURL("must not contain a query or a fragment: paths are put behind it")
    try:
        await resolve_early(base_url, allow_private=settings().remote_allow_private)
    except (InvalidURL, ForbiddenAddress) as refused:
        where = str(refused) if isinstance(refused, InvalidURL) else "leads to an address that is not public"
        raise UnusableBaseURL(where) from refused
