"""The public pages. Anybody may keep them for a second: they set no cookie and carry no token."""

import hashlib
from datetime import datetime
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import quote_etag
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from django.views.static import serve
from redis.exceptions import RedisError

from campaign import figures, pages, palette
from campaign.banner import (
    STAGES,
    WALL_PAGES,
    band_state,
    banner,
    live_parts,
    screen_parts,
    with_clock,
)
from campaign.calendar_file import calendar_file
from campaign.countdown import STAGES as COUNTDOWN_STAGES
from campaign.kept_pages import kept_for_a_second
from campaign.kept_rows import current_campaign
from campaign.models import Campaign, Organization
from campaign.money import InvalidAmount, parse_amount
from campaign.videos import FRAME_HOSTS

STOP_POLLING = 286
_PARTS = {
    "figures": "campaign/_progress.html",
    "live": "campaign/_live.html",
    "screen": "campaign/_screen.html",
    "band": "campaign/_band.html",
    "line": "campaign/_line.html",
}
# A part that is asked for after another one has a copy of its own: one made before that one's end would be no answer.
_BANDS = tuple(band_state(stage, match) for stage in COUNTDOWN_STAGES for match in ("", *STAGES))
_PROGRESS_VALUES = {"part": tuple(_PARTS), "slim": ("",), "after": _BANDS}
shared_for_a_second = cache_control(public=True, max_age=1, stale_while_revalidate=5)
opens_for_videos = csp_update({"frame-src": FRAME_HOSTS})


@require_safe
@shared_for_a_second
@kept_for_a_second()
def home(request: HttpRequest) -> HttpResponse:
    return pages.home(request, sight=_now())


@require_safe
@shared_for_a_second
@kept_for_a_second()
def funds(request: HttpRequest) -> HttpResponse:
    return pages.funds(request, sight=_now())


@require_safe
@opens_for_videos
@shared_for_a_second
@kept_for_a_second()
def fund(request: HttpRequest, slug: str) -> HttpResponse:
    return pages.fund(request, slug, sight=_now())


@require_safe
@shared_for_a_second
@kept_for_a_second()
def stories(request: HttpRequest) -> HttpResponse:
    return pages.stories(request, sight=_now())


@require_safe
@opens_for_videos
@shared_for_a_second
@kept_for_a_second()
def story(request: HttpRequest, slug: str) -> HttpResponse:
    return pages.story(request, slug, sight=_now())


@require_safe
@shared_for_a_second
@kept_for_a_second(unless=("reference",))
def match(request: HttpRequest) -> HttpResponse:
    """?reference= looks one match up in the ledger."""
    return pages.match(request, sight=_now(), reference=_asked(request, "reference").strip()[:40])


@require_safe
@shared_for_a_second
@kept_for_a_second(by=_PROGRESS_VALUES, unless=("fund", "amount", "other_amount"))
def progress(request: HttpRequest) -> HttpResponse:
    """The parts that pages fetch again: the figures, the whole banner, what else is live, the match line of one gift.

    After the end they come with 286, at which htmx stops asking, as soon as the figures are of after it, too. Figures
    that staff switched off are empty, and still tell which band is the right one. `X-Now-Ms` is the server's clock, by
    which countdowns run. The same content again is a 304.
    """
    campaign, now = current_campaign(), timezone.now()
    if campaign is None:
        raise Http404("There is no campaign.")
    part = request.GET.get("part", "figures")
    context = banner(campaign, now=now, is_slim="slim" in request.GET)
    if part == "line":
        context |= _line_of(request, campaign=campaign, now=now)
    elif part == "live":
        context |= live_parts(context)
    elif part == "screen":
        context |= screen_parts(context)
    elif part not in _PARTS:
        raise Http404("There is no such part.")
    response = with_clock(render(request, _PARTS[part], context), context)
    if part in ("figures", "live") and context["is_final"]:
        response.status_code = STOP_POLLING
    return response if part == "band" else with_etag(response)


@require_safe
@shared_for_a_second
@kept_for_a_second(by={"page": tuple(str(number) for number in range(1, WALL_PAGES + 1)), "part": ("",)})
def gift_wall(request: HttpRequest, slug: str = "") -> HttpResponse:
    """The newest gifts, ?page= times WALL_PAGE of them, to the campaign or one fund; with ?part only the wall itself.

    The page is for browsers without JavaScript; with it, "show more" puts the longer wall into the page one is on.
    """
    page = request.GET.get("page", "1")
    if not (page.isascii() and page.isdigit() and 1 <= int(page[:3]) <= WALL_PAGES):
        raise Http404("There is no such page.")
    sight = _now()
    if "part" not in request.GET:
        return pages.gift_wall(request, slug, sight=sight, page=int(page))
    context = pages.gift_wall_parts(slug, sight=sight, page=int(page))
    response = render(request, "campaign/_wall.html", context)
    campaign: Campaign = context["campaign"]
    if campaign.phase(now=sight.now) == "closed" or not campaign.shows_wall:
        response.status_code = STOP_POLLING
    return with_etag(response)


@require_safe
@shared_for_a_second
@kept_for_a_second()
def remind_me(request: HttpRequest) -> HttpResponse:
    """The opening as a calendar's appointment, until it has come."""
    campaign, now = current_campaign(), timezone.now()
    if campaign is None or campaign.phase(now=now) != "before":
        raise Http404("There is nothing to be reminded of.")
    content = calendar_file(campaign=campaign, site_url=settings.SITE_URL, now=now)
    headers = {"Content-Disposition": f'attachment; filename="{campaign.slug}.ics"'}
    return HttpResponse(content, content_type="text/calendar; charset=utf-8", headers=headers)


@require_safe
def look_stylesheet(request: HttpRequest, name: str) -> HttpResponse:
    """The organization's colors. For ever under the name they have now; a page with an older name gets them for now."""
    organization = Organization.objects.first()
    colors = organization.colors if organization else palette.Choice()
    response = HttpResponse(palette.stylesheet(colors), content_type="text/css; charset=utf-8")
    is_current = name == palette.stylesheet_name(colors)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else "public, max-age=60"
    return response


@require_safe
@cache_control(public=True, max_age=86_400)
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """A photograph that staff uploaded; only pictures are ever taken in. A proxy may serve the folder instead."""
    return serve(request, path, document_root=str(settings.MEDIA_ROOT))


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Touches nothing else: a database that is away must not have it restarted."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this server can take requests: the database, its tables up to date. 200 or 503.

    The cache is reported and does not count: pages do without it, and must not all be taken out with it.
    """
    found = {"database": _database_state(), "migrations": "unknown", "cache": _cache_state()}
    if found["database"] == "ok":
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        found["migrations"] = f"{len(missing)} not applied" if missing else "ok"
    is_ready = found["database"] == found["migrations"] == "ok"
    return JsonResponse({"ready": is_ready, **found}, status=200 if is_ready else 503)


def _database_state() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _cache_state() -> str:
    try:
        cache.set("readyz", 1, 5)
    except (RedisError, OSError):
        return "unreachable"
    return "ok"


def with_etag(response: HttpResponse) -> HttpResponse:
    """So that the same content again is not sent again."""
    response.headers["ETag"] = quote_etag(hashlib.sha256(response.content).hexdigest()[:32])
    return response


def _now() -> pages.Sight:
    """The pages as they are at this moment."""
    return pages.Sight(now=timezone.now())


def _asked(request: HttpRequest, name: str) -> str:
    """A parameter as it may be looked up: PostgreSQL's text knows no NUL."""
    return request.GET.get(name, "").replace("\x00", "\ufffd")


def _line_of(request: HttpRequest, *, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """The match line of ?fund=education&amount=100 (other_amount counts before amount)."""
    fund = get_object_or_404(campaign.funds, slug=_asked(request, "fund"))
    typed = (request.GET.get("other_amount") or request.GET.get("amount") or "")[:30]
    try:
        amount_minor = parse_amount(typed, currency=campaign.currency)
    except InvalidAmount as error:
        return {"fund": fund, "problem": str(error)}
    return {"fund": fund, "line": figures.match_line(campaign=campaign, fund=fund, amount_minor=amount_minor, now=now)}
