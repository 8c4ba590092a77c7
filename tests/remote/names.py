"""Ids in the shapes of the real ones, drawn from a seed so that a run can be repeated."""

import base64
import random


class Names:
    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)

    def _letters(self, length: int) -> str:
        return base64.b64encode(self.random.randbytes(length), altchars=b"xy")[:length].decode()

    def _hex(self, length: int) -> str:
        return f"{self.random.getrandbits(length * 4):0{length}x}"

    def file(self, *, azure: bool = False) -> str:
        return f"file-{self._hex(32) if azure else self._letters(22)}"

    def job(self, *, azure: bool = False) -> str:
        return f"ftjob-{self._hex(32) if azure else self._letters(24)}"

    def event(self) -> str:
        return f"ftevent-{self._letters(24)}"

    def checkpoint(self) -> str:
        return f"ftckpt_{self._letters(24)}"

    def upload(self) -> str:
        return f"upload_{self._hex(32)}"

    def part(self) -> str:
        return f"part_{self._hex(32)}"

    def request(self) -> str:
        return f"req_{self._hex(32)}"

    def completion(self) -> str:
        return f"chatcmpl-{self._letters(29)}"

    def organization(self) -> str:
        return f"org-{self._letters(24)}"

    def project(self) -> str:
        return f"proj_{self._letters(24)}"

    def webhook_event(self) -> str:
        return f"evt_{self._hex(32)}"

    def delivery(self) -> str:
        return f"wh_{self._hex(32)}"

    def tail(self) -> str:
        """The eight characters at the end of a tuned model's name."""
        return self._letters(8)

    def azure_tail(self) -> str:
        return self._hex(32)

    def seed(self) -> int:
        return self.random.randrange(2**31)
