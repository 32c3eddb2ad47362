"""What the payment page, and no other, may load from Stripe (facts: Stripe's own list of hosts for a CSP)."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from campaign.response_headers import PERMISSIONS, permissions

View = Callable[..., HttpResponseBase]

_SCRIPTS = ["https://js.stripe.com", "https://*.js.stripe.com"]
STRIPE_SOURCES = {
    "script-src": _SCRIPTS,
    "frame-src": [*_SCRIPTS, "https://hooks.stripe.com"],
    "connect-src": ["https://api.stripe.com"],
}


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def payment_sources() -> dict[str, list[str]]:
    """Additions to the site's policy: Stripe's hosts, or the one origin that stands in for them.

    A stand-in is the origin of STRIPE_JS_URL, and for calls that of STRIPE_API_BASE when that is set too.
    """
    script_origin = origin(settings.STRIPE_JS_URL)
    if script_origin == "https://js.stripe.com":
        sources = STRIPE_SOURCES
    else:
        sources = {directive: [script_origin] for directive in STRIPE_SOURCES}
    calls = [*sources["connect-src"]]
    if settings.STRIPE_API_BASE and origin(settings.STRIPE_API_BASE) not in calls:
        calls.append(origin(settings.STRIPE_API_BASE))
    return sources | {"connect-src": calls}


def opens_for_stripe(view: View) -> View:
    """Let this page load Stripe.js, its frames and windows (3-D Secure, wallets), and let those frames pay."""

    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        sources = payment_sources()
        response = csp_update(sources)(view)(request, *args, **kwargs)
        frames = sources["frame-src"]
        response.headers[PERMISSIONS] = permissions(payment=frames, publickey_credentials_get=frames)
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
        return response

    return opened
