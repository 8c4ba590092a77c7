"""The page under /docs: the whole API as one HTML document that loads nothing from anywhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

Node = Mapping[str, Any]

_METHODS = ("get", "post", "delete")
_DEEPEST = 5
"""How many schemas inside one another are spelled out."""
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{margin:2rem 0 .5rem;border-bottom:1px solid #ccc} code,pre{font:14px/1.4 ui-monospace,monospace}
summary{cursor:pointer;padding:.3rem 0} details>div{margin:0 0 1rem 1.2rem}
.method{display:inline-block;width:4.2rem;font-weight:bold} .get{color:#06c} .post{color:#080} .delete{color:#b00}
table{border-collapse:collapse;width:100%} td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
td{border-top:1px solid #eee} .type{color:#666} .said{color:#555}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}.type,.said{color:#aaa}td,h2{border-color:#444}
.get{color:#6bf}.post{color:#6c6}.delete{color:#f77}a{color:#8cf}}
"""


def install(app: FastAPI) -> None:
    """Serve the page under /docs; it is written once, from the same description as /openapi.json."""
    written: list[str] = []

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        if not written:
            written.append(page(app.openapi()))
        return HTMLResponse(written[0])


def page(api: Node) -> str:
    """HTML of an OpenAPI description."""
    info = api["info"]
    title = escape(f"{info['title']} {info['version']}")
    about = "".join(f"<p>{escape(part)}</p>" for part in info.get("description", "").split("\n\n") if part)
    tags = "".join(_tag(api, tag) for tag in api.get("tags", []))
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
            f'<h1>{title}</h1><p>{escape(info["summary"])}</p>{about}'
            f'<p>For programs: <a href="openapi.json">openapi.json</a>.</p>{tags}</body></html>\n')


def _tag(api: Node, tag: Node) -> str:
    routes = "".join(_route(api, method, path, item[method]) for path, item in api["paths"].items()
                     for method in _METHODS if method in item and tag["name"] in item[method].get("tags", []))
    return f"<h2>{escape(tag['name'])}</h2><p>{escape(tag.get('description', ''))}</p>{routes}"


def _route(api: Node, method: str, path: str, route: Node) -> str:
    parts = [f"<p>{escape(route.get('description', ''))}</p>",
             _table("Parameters", _parameters(api, route)),
             *(_table(f"Body, {kind}", _properties(api, media["schema"], marks=True))
               for kind, media in route.get("requestBody", {}).get("content", {}).items()),
             *(_table(f"Answer {status}", _properties(api, media["schema"]))
               for status, answer in route["responses"].items() if status.startswith("2")
               for media in answer.get("content", {}).values() if "schema" in media)]
    return (f'<details id="{escape(route["operationId"])}"><summary>'
            f'<span class="method {method}">{method.upper()}</span>'
            f"<code>{escape(path)}</code> <span class=\"said\">{escape(route.get('summary', ''))}</span></summary>"
            f"<div>{''.join(parts)}</div></details>")


def _table(heading: str, rows: Iterator[tuple[str, str, str]]) -> str:
    cells = "".join(f'<tr><td><code>{escape(name)}</code></td><td class="type">{escape(kind)}</td>'
                    f"<td>{escape(said)}</td></tr>" for name, kind, said in rows)
    return f"<h4>{escape(heading)}</h4><table>{cells}</table>" if cells else ""


def _parameters(api: Node, route: Node) -> Iterator[tuple[str, str, str]]:
    for each in route.get("parameters", []):
        kind = f"{_kind(api, each['schema'])}, {each['in']}{', required' if each.get('required') else ''}"
        yield each["name"], kind, each.get("description", "")


def _properties(api: Node, schema: Node, prefix: str = "", depth: int = 1, *,
                marks: bool = False) -> Iterator[tuple[str, str, str]]:
    """Name, kind (with `marks`, also whether it is required) and meaning of each field; inner ones as `outer.inner`."""
    schema = _resolved(api, schema)
    for name, field in schema.get("properties", {}).items():
        kind = _kind(api, field) + (", required" if marks and name in schema.get("required", ()) else "")
        yield prefix + name, kind, _resolved(api, field).get("description", "") or field.get("description", "")
        for inner, mark in _inner(api, field):
            if depth < _DEEPEST:
                yield from _properties(api, inner, f"{prefix}{name}{mark}.", depth + 1, marks=marks)


def _inner(api: Node, field: Node) -> Iterator[tuple[Node, str]]:
    """The objects that a field may hold, and [] where it holds a list of them."""
    field = _resolved(api, field)
    for each in (_resolved(api, one) for one in field.get("anyOf", [field])):
        if each.get("type") == "array":
            yield each.get("items", {}), "[]"
        elif "properties" in each:
            yield each, ""


def _kind(api: Node, schema: Node) -> str:
    schema = _resolved(api, schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(api, each) for each in schema["anyOf"]))
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " | ".join(f'"{each}"' for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(api, schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _resolved(api: Node, schema: Node) -> Node:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Node = api["components"]["schemas"][name] if name else schema
    return found
