"""How commands call a house over its API: where it is, with which key, and what it refuses, in words."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from service.embedded.attachment import attach
from service.embedded.house import local
from service.settings import environment_secret, settings

_SECONDS = 60.0
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_LONGEST = 16 * 1024 * 1024


class CannotBeCalled(Exception):
    """There is no house to call, or it does not answer."""


class Refused(Exception):
    """The house said no; the message is its own."""

    def __init__(self, code: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class HouseClient:
    base_url: str
    key: str = field(repr=False)

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, body)

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        after = ""
        while True:
            page = self.get(f"{path}?limit=100{after}")
            yield from page["data"]
            if not page["has_more"]:
                return
            after = f"&after={quote(page['last_id'], safe='')}"

    def lines(self, path: str, *, last_id: str) -> Iterator[str]:
        """The lines of a stream that goes on after `last_id`, until it ends or breaks off.

        Raises CannotBeCalled when it breaks, and when nothing comes for a minute: a stream shows signs of life.
        """
        headers = {"last-event-id": last_id} if last_id else {}
        with self._open("GET", path, None, headers) as answer, self._readable():
            for line in answer:
                yield line.decode().rstrip("\r\n")

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        with self._open(method, path, body, {}) as answer, self._readable():
            told: dict[str, Any] = json.loads(answer.read(_LONGEST))
            return told

    def _open(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http and https only, see find_house
            self.base_url + path, None if body is None else json.dumps(body).encode(), method=method,
            headers={"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers})
        with self._readable():
            return urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310 - as above

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turns what goes wrong on the way into Refused or CannotBeCalled."""
        try:
            yield
        except HTTPError as refused:
            with refused:
                raise _refusal(refused) from refused
        except (URLError, OSError, HTTPException, ValueError) as trouble:
            reason = getattr(trouble, "reason", None) or trouble
            raise CannotBeCalled(f"The house at {self.base_url} does not answer: {reason}.") from trouble


def _refusal(refused: HTTPError) -> Refused:
    with suppress(ValueError, KeyError, TypeError, OSError):
        error = json.loads(refused.read(_LONGEST))["error"]
        return Refused(error["code"], str(error["message"]))
    return Refused(None, f"The house answered {refused.code}, and not as the API does. Is its base URL right?")


def find_house(base_url: str | None, key_variable: str, ready_file: Path | None) -> HouseClient:
    """The house that is named, or the one that `tuneworks up` runs here. Raises CannotBeCalled."""
    ready = _document(ready_file) if ready_file is not None else {}
    key = environment_secret(key_variable)
    if base_url is None and not ready:
        ready = _running_here()
    url = base_url or ready.get("base_url")
    secret = key.get_secret_value() if key is not None else ready.get("api_key")
    if not url:
        raise CannotBeCalled(f"No house is named, and no `tuneworks up` runs in {settings().data_dir.absolute()}: give"
                             " --house and the variable of --house-key-env, or give --ready-file.")
    if not secret:
        raise CannotBeCalled(f"There is no key for the house at {url}. {not_set(key_variable)} Put a project key of"
                             " that house there, or give --ready-file.")
    if urlsplit(url).scheme not in {"http", "https"}:
        raise CannotBeCalled(f"{url} is no http:// or https:// address of a house.")
    return HouseClient(_of_api(url), secret)


def _of_api(url: str) -> str:
    """The address of the house's API, also where only that of the house is given."""
    return url.rstrip("/") if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/v1"


def not_set(variable: str) -> str:
    """That a variable holds no key. What is no variable's name is not repeated: it may be the key itself."""
    if _VARIABLE.fullmatch(variable):
        return f"The variable {variable} is not set, or empty."
    return ("What was given as the name of a variable is none (A-Z, 0-9 and _) and is not shown here. Give the name of"
            " the variable that holds the key, and never the key itself.")


def _document(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text())
        return {name: str(found[name]) for name in ("base_url", "api_key")}
    except (OSError, ValueError, KeyError, TypeError) as odd:
        raise CannotBeCalled(f"{file} is no file that `tuneworks up --ready-file` wrote: {odd!r}.") from odd


def _running_here() -> dict[str, str]:
    """The address and the key of the house that runs in our data directory."""
    if not attach():
        return {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((settings().data_dir.absolute() / "credentials.json").read_text())
        return {"base_url": f"http://{local(settings().host)}:{settings().port}/v1", "api_key": str(kept["api_key"])}
    return {}
