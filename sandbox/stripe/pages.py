"""What a browser gets from the sandbox: the script, the frames, the 3-D Secure page, and the page for people."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from aiohttp import web

from . import confirmation, payments, setup_intents
from .api import Api
from .cards import BANK_ACCOUNTS, CARDS, ROUTING_NUMBER
from .errors import StripeError
from .events import to_json
from .knobs import Knobs

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
ASSETS = ("page.css", "frame.css", "frame.js", "express.js", "wallet.js", "challenge.js", "page.js", "theme.js")

# Frames are shown inside the site, from another origin: everything of their own, nothing inline.
FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'"
)
PAGE_POLICY = FRAME_POLICY + "; frame-ancestors 'none'"
COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _file(name: str, policy: str | None = None) -> Handler:
    path = STATIC / name
    headers = {**COMMON, **({"Content-Security-Policy": policy} if policy else {})}
    if name == "stripe.js":
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    async def send(request: web.Request) -> web.StreamResponse:
        return web.Response(
            text=path.read_text(encoding="utf-8"), content_type=TYPES[path.suffix], charset="utf-8", headers=headers
        )

    return send


def routes(api: Api) -> list[web.RouteDef]:
    async def settings(request: web.Request) -> web.Response:
        """What the frames need to know: which numbers are taken, and whether there is a wallet."""
        answer = {
            "cards": {card.number: {"brand": card.brand, "cvc_digits": card.cvc_digits} for card in CARDS},
            "accounts": [account.number for account in BANK_ACCOUNTS],
            "routing_number": ROUTING_NUMBER,
            "wallet": api.account.knobs.wallet,
        }
        return web.json_response(answer, headers=COMMON)

    async def challenge_answer(request: web.Request) -> web.Response:
        return await _challenge_answer(api, request)

    async def index(request: web.Request) -> web.Response:
        return web.Response(
            text=index_page(api),
            content_type="text/html",
            charset="utf-8",
            headers={**COMMON, "Content-Security-Policy": PAGE_POLICY},
        )

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    return [
        web.get("/", index),
        web.get("/healthz", healthy),
        web.get("/stripe.js", _file("stripe.js")),
        web.get("/frame/payment", _file("payment.html", FRAME_POLICY)),
        web.get("/frame/express", _file("express.html", FRAME_POLICY)),
        web.get("/frame/wallet", _file("wallet.html", FRAME_POLICY)),
        web.get("/frame/settings", settings),
        web.get("/challenge/{intent}", _file("challenge.html", FRAME_POLICY)),
        web.post("/challenge/{intent}", challenge_answer),
        *[web.get(f"/static/{name}", _file(name)) for name in ASSETS],
    ]


async def _challenge_answer(api: Api, request: web.Request) -> web.Response:
    """{"client_secret", "passed"} from the 3-D Secure page; answers the intent as a browser may see it."""
    given = await request.json()
    delay_ms = api.account.knobs.three_d_secure_delay_ms
    if delay_ms:
        await asyncio.sleep(delay_ms / 1_000)
    secret, passed = str(given.get("client_secret")), given.get("passed") is True
    if request.match_info["intent"].startswith("seti_"):
        return _setup_challenge_answer(api, request.match_info["intent"], secret, passed=passed)
    try:
        back = confirmation.return_address(api.account, request.match_info["intent"])
        intent = confirmation.answer_challenge(api.account, request.match_info["intent"], secret, passed=passed)
    except StripeError as error:
        return web.json_response(error.body(), status=error.status)
    answer = payments.client_view(intent)
    if back:
        ended = "succeeded" if intent["status"] == "succeeded" else "failed"
        query = {"payment_intent": intent["id"], "payment_intent_client_secret": secret, "redirect_status": ended}
        answer["return_to"] = f"{back}{'&' if '?' in back else '?'}{urlencode(query)}"
    return web.Response(text=to_json(answer), content_type="application/json")


def _setup_challenge_answer(api: Api, setup_id: str, secret: str, *, passed: bool) -> web.Response:
    try:
        setup = api.account.setups.get(setup_id, "intent")
        confirmation.secret_checked(setup, {"client_secret": secret}, publishable=True)
    except StripeError as error:
        return web.json_response(error.body(), status=error.status)
    action = setup["next_action"] or {}
    answer = setup_intents.client_view(setup_intents.answer_challenge(api.account, setup, passed=passed))
    if back := action.get("redirect_to_url", {}).get("return_url"):
        ended = "succeeded" if setup["status"] == "succeeded" else "failed"
        query = {"setup_intent": setup["id"], "setup_intent_client_secret": secret, "redirect_status": ended}
        answer["return_to"] = f"{back}{'&' if '?' in back else '?'}{urlencode(query)}"
    return web.Response(text=to_json(answer), content_type="application/json")


def index_page(api: Api) -> str:
    template = Template((STATIC / "page.html").read_text(encoding="utf-8"))
    cards = "".join(
        f"<tr><td><code>{_grouped(card.number)}</code></td><td>{html.escape(card.says)}</td></tr>"
        for card in CARDS
        if card.shown
    )
    accounts = "".join(
        f"<tr><td><code>{account.number}</code></td><td>{html.escape(account.says)}</td></tr>"
        for account in BANK_ACCOUNTS
    )
    now = api.account.knobs.as_dict()
    knobs = "".join(
        f"<tr><th scope=row><code>{one.name}</code></th>"
        f"<td><code>{html.escape(_shown(one.name, now[one.name]))}</code></td></tr>"
        for one in fields(Knobs)
    )
    return template.substitute(cards=cards, accounts=accounts, knobs=knobs, routing=ROUTING_NUMBER)


def _grouped(number: str) -> str:
    """As it is printed on the card: American Express in 4, 6 and 5 digits, the others in fours."""
    if len(number) == 15:
        return f"{number[:4]} {number[4:10]} {number[10:]}"
    return " ".join(number[index : index + 4] for index in range(0, len(number), 4))


def _shown(name: str, value: object) -> str:
    if name == "webhook_secrets" and isinstance(value, list):
        return f"{len(value)} secret{'s' if len(value) != 1 else ''}"
    return to_json(value)
