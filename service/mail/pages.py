"""The pages that links in mails lead to: HTML that loads nothing, runs nothing and cannot be framed."""

from html import escape

from service.events.sentences import line

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
                               " frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex",
    "x-content-type-options": "nosniff"}
_TAKE_BACK = "That was a mistake: send mail again"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem;color:#222;background:#fff}
button{font:inherit;padding:.5rem 1.2rem;cursor:pointer}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}
"""


def ask_to_confirm(project: str, address: str) -> str:
    """A button, since programs that look at mail follow every link in it."""
    return _page("Get mail?", f"Shall {address} get mail of the project {line(project)}?", "Yes, send mail")


def confirmed(project: str, address: str) -> str:
    return _page("Confirmed", f"{address} gets mail of the project {line(project)} from now on. Each mail has a link to"
                 " end that.")


def confirmed_already(project: str, address: str) -> str:
    return _page("Confirmed", f"This address is confirmed already: {address}, for mail of the project {line(project)}."
                 " Each mail has a link to end that.")


def ask_to_unsubscribe(project: str, address: str) -> str:
    return _page("No more mail?", f"{address} will get no more mail of the project {line(project)}.", "Unsubscribe")


def unsubscribed(project: str, address: str, confirm_link: str) -> str:
    return _page("Unsubscribed", f"{address} gets no more mail of the project {line(project)}.",
                 _TAKE_BACK, to=confirm_link)


def unsubscribed_already(project: str, address: str, confirm_link: str) -> str:
    return _page("Unsubscribed", "You get no mail from this subscription any more: it was for"
                 f" {address}, of the project {line(project)}.", _TAKE_BACK, to=confirm_link)


def invalid() -> str:
    return _page("Not valid", "This link is not valid, or not any more. If it was broken in two by a mail program, put"
                 " it together again.")


def _page(title: str, said: str, button: str = "", *, to: str = "") -> str:
    form = (f'<form method="post" action="{escape(to)}"><button>{escape(button)}</button></form>' if button else "")
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
            f"<body><h1>{escape(title)}</h1><p>{escape(said)}</p>{form}</body></html>\n")
