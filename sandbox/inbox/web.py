"""The inbox's pages for people, and its JSON calls for tests.

GET    /api/messages          ?to=address&subject=text&limit=N: summaries, newest first
GET    /api/messages/ID       with headers, text, html and attachments (their content in base64)
DELETE /api/messages[/ID]     forget all, or one
GET    /api/faults            the rules; POST one rule or a list; DELETE takes all away
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from aiohttp import web

from .reading import attachments_of, html_of, text_of, with_pictures
from .smtp import Fault, FaultRefused, Receiver
from .store import Store, Summary

STATIC = Path(__file__).parent / "static"
SHOWN_LIMIT = 200
LIST_LIMIT = 1_000
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A message's HTML is a stranger's: no script, no form, no network; pictures only those that came with it.
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'"
COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def summary_json(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.message_id,
        "received_at": summary.received_at.isoformat(),
        "subject": summary.subject,
        "from": summary.sender,
        "to": list(summary.recipients),
        "message_id": summary.mail_id,
        "size_bytes": summary.size_bytes,
    }


def message_json(store: Store, summary: Summary) -> dict[str, Any]:
    message = store.message(summary.message_id)
    return {
        **summary_json(summary),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": text_of(message),
        "html": html_of(message),
        "attachments": [
            {
                "filename": one.filename,
                "content_type": one.content_type,
                "size_bytes": len(one.content),
                "url": f"/messages/{summary.message_id}/parts/{one.number}",
                "content_base64": base64.b64encode(one.content).decode(),
            }
            for one in attachments_of(message)
        ],
    }


def _page(name: str, **parts: str) -> web.Response:
    template = Template((STATIC / name).read_text(encoding="utf-8"))
    headers = {**COMMON, "Content-Security-Policy": PAGE_POLICY}
    return web.Response(text=template.substitute(parts), content_type="text/html", charset="utf-8", headers=headers)


def _rows(summaries: list[Summary]) -> str:
    if not summaries:
        return '<li class="none">No mail yet. Give on the site, and the receipt arrives here.</li>'
    return "".join(
        f'<li><a href="/messages/{one.message_id}"><b>{html.escape(one.subject or "(no subject)")}</b>'
        f"<span>{html.escape(one.shown_to)}</span><small>from {html.escape(one.sender)}</small>"
        f'<time datetime="{one.received_at.isoformat()}">{one.received_at:%b} {one.received_at.day}, '
        f"{one.received_at:%H:%M:%S} UTC</time></a></li>"
        for one in summaries
    )


def _file(name: str, content_type: str) -> Handler:
    async def send(request: web.Request) -> web.StreamResponse:
        text = (STATIC / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=content_type, charset="utf-8", headers=COMMON)

    return send


class Pages:
    """What people see."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.index),
            web.get("/healthz", self.healthy),
            web.get("/messages/{id}", self.message),
            web.get("/messages/{id}/html", self.mail_html),
            web.get("/messages/{id}/raw", self.raw),
            web.get("/messages/{id}/parts/{number}", self.part),
            web.get("/inbox.css", _file("inbox.css", "text/css")),
            web.get("/inbox.js", _file("inbox.js", "text/javascript")),
        ]

    def _found(self, request: web.Request) -> Summary:
        summary = self.store.summary(request.match_info["id"])
        if summary is None:
            raise web.HTTPNotFound(text="This message is not here (any more). The inbox is at /.")
        return summary

    async def healthy(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def index(self, request: web.Request) -> web.Response:
        summaries = list(islice(self.store.newest_first(), SHOWN_LIMIT))
        count = f"{len(self.store)} message{'s' if len(self.store) != 1 else ''}"
        if len(self.store) > SHOWN_LIMIT:
            count += f", the newest {SHOWN_LIMIT} shown"
        return _page("index.html", rows=_rows(summaries), count=count)

    async def message(self, request: web.Request) -> web.Response:
        summary = self._found(request)
        message = self.store.message(summary.message_id)
        address = f"/messages/{summary.message_id}"
        text, parts = text_of(message), attachments_of(message)
        iframe = f'<iframe sandbox title="The message as HTML" src="{address}/html"></iframe>'
        attached = "".join(
            f'<li><a href="{address}/parts/{one.number}" download>{html.escape(one.filename)}</a> '
            f"<small>{html.escape(one.content_type)}, {len(one.content):,} bytes</small></li>"
            for one in parts
        )
        headers = "".join(
            f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in message.items()
        )
        return _page(
            "message.html",
            subject=html.escape(summary.subject or "(no subject)"),
            sender=html.escape(summary.sender),
            to=html.escape(summary.shown_to),
            envelope=html.escape(", ".join(summary.recipients)),
            time=f"{summary.received_at:%Y-%m-%d %H:%M:%S} UTC",
            attached=f"<section><h2>Attachments</h2><ul class=parts>{attached}</ul></section>" if parts else "",
            frame=f"<section><h2>As HTML</h2>{iframe}</section>" if html_of(message) is not None else "",
            text=f"<section><h2>As text</h2><pre tabindex=0>{html.escape(text)}</pre></section>" if text else "",
            headers=headers,
            raw=f"{address}/raw",
        )

    async def mail_html(self, request: web.Request) -> web.Response:
        summary = self._found(request)
        message = self.store.message(summary.message_id)
        shown = with_pictures(html_of(message) or "", attachments_of(message), f"/messages/{summary.message_id}/parts")
        headers = {**COMMON, "Content-Security-Policy": MAIL_POLICY}
        return web.Response(text=shown, content_type="text/html", charset="utf-8", headers=headers)

    async def raw(self, request: web.Request) -> web.Response:
        content = self.store.content(self._found(request).message_id)
        return web.Response(body=content, content_type="text/plain", charset="utf-8", headers=COMMON)

    async def part(self, request: web.Request) -> web.Response:
        """An attachment. Anything but a picture is a download: a stranger's HTML is not shown as the inbox's own."""
        parts = attachments_of(self.store.message(self._found(request).message_id))
        number = request.match_info["number"]
        if not number.isdecimal() or int(number) >= len(parts):
            raise web.HTTPNotFound(text="This message has no such attachment.")
        one = parts[int(number)]
        picture = one.content_type in ("image/png", "image/jpeg", "image/gif", "image/webp")
        named = f"filename*=UTF-8''{quote(one.filename)}"
        headers = {
            **COMMON,
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Content-Disposition": f"{'inline' if picture else 'attachment'}; {named}",
        }
        return web.Response(body=one.content, content_type=one.content_type, headers=headers)


class Calls:
    """What tests ask."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.store = receiver.store

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/messages", self.list_messages),
            web.delete("/api/messages", self.clear),
            web.get("/api/messages/{id}", self.message),
            web.delete("/api/messages/{id}", self.delete),
            web.get("/api/faults", self.list_faults),
            web.post("/api/faults", self.add_faults),
            web.delete("/api/faults", self.clear_faults),
        ]

    async def list_messages(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", str(LIST_LIMIT))
        if not limit.isdecimal():
            return web.json_response({"error": f"limit takes a number; not {limit!r}."}, status=400)
        found = self.store.newest_first(to=request.query.get("to", ""), subject=request.query.get("subject", ""))
        return web.json_response([summary_json(one) for one in islice(found, int(limit))])

    async def message(self, request: web.Request) -> web.Response:
        summary = self.store.summary(request.match_info["id"])
        if summary is None:
            return web.json_response({"error": f"No message {request.match_info['id']!r}."}, status=404)
        return web.json_response(message_json(self.store, summary))

    async def delete(self, request: web.Request) -> web.Response:
        self.store.delete(request.match_info["id"])
        return web.json_response({"messages": len(self.store)})

    async def clear(self, request: web.Request) -> web.Response:
        self.store.clear()
        return web.json_response({"messages": 0})

    async def list_faults(self, request: web.Request) -> web.Response:
        return web.json_response([fault.as_dict() for fault in self.receiver.faults])

    async def add_faults(self, request: web.Request) -> web.Response:
        try:
            given = json.loads(await request.text())
            rules = given if isinstance(given, list) else [given]
            self.receiver.faults.extend([Fault.from_dict(rule) for rule in rules])
        except (FaultRefused, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return await self.list_faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self.receiver.faults.clear()
        return web.json_response([])
