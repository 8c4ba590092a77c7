"""What a client needs of a credential to open a server with it."""

from collections.abc import Mapping
from typing import Any, Protocol


class Credential(Protocol):
    """As service.credentials opens it. The secret lives as long as the client does, and nowhere else."""

    @property
    def provider(self) -> str: ...

    @property
    def base_url(self) -> str | None: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    @property
    def secret(self) -> str: ...
