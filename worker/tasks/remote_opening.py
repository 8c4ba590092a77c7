"""Opens a server for a task: closed after use, and no fault on the way tells what its credential keeps secret."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from service.credentials.operations import OpenCredential
from worker.providers.opening import open_remote
from worker.providers.remote import Remote, RemoteError


@contextmanager
def opened_remote(credential: OpenCredential) -> Iterator[Remote]:
    """The server of a credential. What it says is raised as it is; any other fault only without the secrets.

    A library may quote the header that it could not send, and whatever leaves a task is logged and stored.
    """
    try:
        with closing(open_remote(credential)) as remote:
            yield remote
    except RemoteError:
        raise
    except Exception as fault:
        told = credential.harmless(fault)
        if told is fault:
            raise
        raise told from None
