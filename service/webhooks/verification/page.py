"""The page for people who write a receiver: self-contained, and the same for everybody."""

from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from typing import Any

from service.webhooks.verification import HEADERS, LIBRARIES, SCHEME, STEPS, snippets, vectors

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{margin:2rem 0 .5rem;border-bottom:1px solid #ccc} code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#f5f5f5;padding:.8rem;overflow-x:auto} td code{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%} td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
td{border-top:1px solid #eee} th{white-space:nowrap;font-weight:600}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#242424}
td,h2{border-color:#444}a{color:#8cf}}
"""


@cache
def page() -> str:
    """HTML of all that there is to say."""
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>How to verify webhooks</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
            f"<h1>How to verify webhooks</h1><p>Messages are signed as {escape(str(SCHEME['name']))}"
            f" {escape(str(SCHEME['version']))} has it: {escape(str(SCHEME['algorithm']))}, so that any of its"
            " libraries verifies them. The secret is shown when an endpoint is made, and when it is rotated.</p>"
            f"<h2>The headers</h2>{_table(HEADERS.items())}"
            f"<h2>What to do</h2><ol>{''.join(f'<li>{escape(step)}</li>' for step in STEPS)}</ol>"
            f"<h2>Libraries</h2><p>For Python:</p>{_table((each['name'], each['use']) for each in LIBRARIES)}"
            f"{''.join(map(_snippet, snippets()))}"
            f"<h2>Test vectors</h2><p>Check your own code by these. For programs:"
            f' <a href="../v1/webhooks/verification">the same as JSON</a>.</p>{"".join(map(_vector, vectors()))}'
            "</body></html>\n")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{escape(name)}</th><td>{escape(said)}</td></tr>"
                               for name, said in rows) + "</table>"


def _snippet(given: dict[str, str]) -> str:
    return (f'<h2 id="{escape(given["language"])}">{escape(given["language"].capitalize())}</h2>'
            f"<pre><code>{escape(given['code'])}</code></pre>")


def _vector(given: Mapping[str, Any]) -> str:
    fields = ("secret", "id", "timestamp", "signature", "body", "now")
    rows = "".join(f"<tr><th>{name}</th><td><code>{escape(str(given[name]))}</code></td></tr>" for name in fields)
    verdict = "is to be taken" if given["valid"] else "is to be refused"
    return (f"<h3>{escape(given['name'])}: {verdict}</h3><p>{escape(given['why'])}</p><table>{rows}</table>")
