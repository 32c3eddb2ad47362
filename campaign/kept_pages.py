"""Public pages kept for a second on this side too: a crowd costs one rendering a second for each page."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial, wraps
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response

from campaign.copies import CLEARED, fresh
from campaign.stamps import one_stamp

View = Callable[..., HttpResponse]
CLOCK = "X-Now-Ms"  # the server's clock, in milliseconds; pages carry it as data-now, too


class Page(NamedTuple):
    """A rendered page as it is kept: no cookies, since the pages that are kept set none."""

    status: int
    headers: dict[str, str]
    content: bytes


def kept_for_a_second(
    *, by: Mapping[str, tuple[str, ...]] | None = None, unless: tuple[str, ...] = ()
) -> Callable[[View], Any]:
    """Serve a view's answer from a copy that is at most about a second old.

    by: query parameters that the answer depends on, with their values; each value has copies of its own.
    unless: parameters with which the view is always asked, because their values are many. All other parameters are
    ignored: made-up ones must not fill the cache. Errors are not kept. An answer with an ETag is compared with the
    request's. While nothing is written to the database, making the page anew costs it one query (stamps.py).
    """
    values = by or {}

    def decorate(view: View) -> Any:
        @wraps(view)
        def kept(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            asked = {name: request.GET[name] for name in values if name in request.GET}
            if any(name in request.GET for name in unless) or any(asked[name] not in values[name] for name in asked):
                return _compared(request, view(request, *args, **kwargs))
            chosen = urlencode(asked)
            # Without the host: it is the sender's to write (127.0.0.1:1, :2 ...) and no page that is kept names it.
            key = f"page:{request.path}?{chosen}"
            make = partial(_made, view, request, args, kwargs)
            _, page = fresh(key, now=timezone.now(), make=make, mark=CLEARED)
            page = _with_clock(page, now=timezone.now())  # rendering has taken its time
            response = HttpResponse(page.content, status=page.status, headers=page.headers)
            return _compared(request, response)

        return kept

    return decorate


def _made(view: View, request: HttpRequest, args: Any, kwargs: Any) -> Page:
    with one_stamp():
        response = view(request, *args, **kwargs)
    return Page(response.status_code, dict(response.headers), response.content)


def _with_clock(page: Page, *, now: datetime) -> Page:
    """The page with the server's clock of this moment, by which countdowns run: a copy's own would be a second late."""
    made = page.headers.get(CLOCK)
    if made is None:
        return page
    shown = str(int(now.timestamp() * 1000))
    content = page.content.replace(f'data-now="{made}"'.encode(), f'data-now="{shown}"'.encode())
    return Page(page.status, page.headers | {CLOCK: shown}, content)


def _compared(request: HttpRequest, response: HttpResponse) -> HttpResponseBase:
    etag = response.headers.get("ETag")
    return (get_conditional_response(request, etag=etag, response=response) if etag else None) or response
