"""The original bytes of a file of ours, as an upload to a server reads them."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.kit.storage import READ_BYTES, storage


@dataclass(slots=True)
class StoredSource:
    """An object of the store; it may be read again from anywhere."""

    object_key: str
    filename: str
    size: int

    def read(self, start: int = 0) -> Iterator[bytes]:
        for at in range(start, self.size, READ_BYTES):
            yield storage().read_range(self.object_key, at, min(READ_BYTES, self.size - at))
