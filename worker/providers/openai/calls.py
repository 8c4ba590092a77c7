"""Calls of the SDK whose answers are read here, not by it: one thing, or one page of a list."""

from collections.abc import Callable
from typing import Any, TypeVar

from openai import OpenAIError

from worker.providers.openai.answers import Answers, Unreadable
from worker.providers.openai.failures import Asked, unreadable
from worker.providers.openai.reading import identifier
from worker.providers.remote import Page, Refused, RemoteError, Unavailable

Item = TypeVar("Item")
Call = Callable[..., Any]
"""A method of the SDK `with_raw_response`."""
Reader = Callable[[Any, Answers], Item | None]
"""From parsed JSON; None where nothing can be made of it."""
_READS, _ACTS = Asked(reads=True), Asked(reads=False)


class Caller:
    """Makes calls with the errors of the seam, and no others of the server's making."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.read = 0
        "Bytes of all answers until now."
        self._small_pages = False
        "Whether the server refused the limit that it was asked for."

    def body(self, call: Call, *, reads: bool) -> dict[str, Any]:
        """The JSON object that was answered."""
        asked = _READS if reads else _ACTS
        try:
            content = _content(call)
            self.read += len(content)
            return self._answers.parsed(content)
        except Unreadable as odd:
            failure: RemoteError = unreadable(asked, str(odd))
        except OpenAIError as odd:
            # The transport speaks before the SDK finds anything wrong: this is about what was to be sent.
            failure = Unavailable(f"The request could not be made: {type(odd).__name__}")
        raise failure

    def done(self, call: Call) -> None:
        """Only that it was answered well; with what is no matter."""
        _content(call)

    def one(self, call: Call, reader: Reader[Item], *, reads: bool) -> Item:
        found = reader(self.body(call, reads=reads), self._answers)
        if found is None:
            raise unreadable(_READS if reads else _ACTS, "has no usable id")
        return found

    def page(self, call: Call, reader: Reader[Item], *, after: str | None = None, limit: int | None) -> Page[Item]:
        """One page. Items of which nothing can be made are left out; a page without a way on that must go on raises.

        A server whose pages are smaller is asked again for what it calls a page: that is the one request told twice.
        """
        asked = {"after": after, "limit": None if self._small_pages else limit}
        given = {name: value for name, value in asked.items() if value is not None}
        try:
            body = self.body(lambda: call(**given), reads=True)
        except Refused as refused:
            if "limit" not in given or not (refused.param == "limit" or "'limit'" in refused.message):
                raise
            self._small_pages = True
            given.pop("limit")
            body = self.body(lambda: call(**given), reads=True)
        return self._page(body, reader, after, limit)

    def _page(self, body: dict[str, Any], reader: Reader[Item], after: str | None, limit: int | None) -> Page[Item]:
        data = body.get("data")
        if not isinstance(data, list):
            raise unreadable(_READS, "has no list in it")
        items = (reader(each, self._answers) for each in data)
        return Page(tuple(item for item in items if item is not None), self._next(body, data, after, limit))

    def _next(self, body: dict[str, Any], data: list[Any], after: str | None, limit: int | None) -> str | None:
        more = body.get("has_more")
        if not isinstance(more, bool):
            more = limit is not None and (self._small_pages or len(data) >= limit)
        if limit is None or not data or not more:
            return None
        ids = (identifier(self._answers.cleaned(each.get("id"))) for each in reversed(data) if isinstance(each, dict))
        cursor = next(filter(None, ids), None)
        if cursor is None or cursor == after:
            raise unreadable(_READS, "says that its list goes on, but not where")
        return cursor


def _content(call: Call) -> bytes:
    content = call().content
    return content if isinstance(content, bytes) else b""
