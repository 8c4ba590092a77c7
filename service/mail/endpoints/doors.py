"""What links in mails lead to. They need no key, since they are signed; only a POST does anything (RFC 8058)."""

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.kit.admission import ADMITTED
from service.mail import operations, pages
from service.mail.errors import InvalidLink
from service.mail.operations import Known
from service.mail.tokens import LONGEST, Purpose

router = APIRouter(prefix="/notifications", include_in_schema=False, dependencies=[ADMITTED])
_CONFIRMED = frozenset({"active", "disabled"})
"""States of subscriptions whose reader has said yes; it is not for readers to take up one that mail was refused to."""


@router.get("/confirm/{token}")
def ask_to_confirm(token: str) -> HTMLResponse:
    def ask(known: Known) -> str:
        if known.status in _CONFIRMED:
            return pages.confirmed_already(known.project, known.address)
        return pages.ask_to_confirm(known.project, known.address)
    return _shown(token, Purpose.CONFIRM, ask)


@router.post("/confirm/{token}")
def confirm(token: str) -> HTMLResponse:
    def act(known: Known) -> str:
        operations.confirm(known)
        if known.status in _CONFIRMED:
            return pages.confirmed_already(known.project, known.address)
        return pages.confirmed(known.project, known.address)
    return _shown(token, Purpose.CONFIRM, act)


@router.get("/unsubscribe/{token}")
def ask_to_unsubscribe(token: str) -> HTMLResponse:
    def ask(known: Known) -> str:
        if known.status == "unsubscribed":
            return pages.unsubscribed_already(known.project, known.address, known.confirm_link)
        return pages.ask_to_unsubscribe(known.project, known.address)
    return _shown(token, Purpose.UNSUBSCRIBE, ask)


@router.post("/unsubscribe/{token}")
def unsubscribe(token: str) -> HTMLResponse:
    """Also what mail programs do by themselves, with a body that says nothing new."""
    def act(known: Known) -> str:
        operations.unsubscribe(known)
        return pages.unsubscribed(known.project, known.address, known.confirm_link)
    return _shown(token, Purpose.UNSUBSCRIBE, act)


def _shown(token: str, purpose: Purpose, act: Callable[[Known], str]) -> HTMLResponse:
    """A page in any case; what is wrong with a link is not told."""
    if len(token) > LONGEST or not token.isascii() or not token.isprintable():
        return HTMLResponse(pages.invalid(), status_code=InvalidLink.status, headers=pages.HEADERS)
    try:
        return HTMLResponse(act(operations.recognise(token, purpose)), headers=pages.HEADERS)
    except InvalidLink:
        return HTMLResponse(pages.invalid(), status_code=InvalidLink.status, headers=pages.HEADERS)
