"""The screen for the lobby and the gala, and what other sites show of the campaign in a frame."""

from typing import Any

from csp.constants import HEADER as POLICY
from csp.utils import build_policy
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from campaign.banner import banner, screen_parts, with_clock
from campaign.kept_pages import kept_for_a_second
from campaign.kept_rows import current_campaign
from campaign.models import Campaign
from campaign.response_headers import RESOURCES
from campaign.views import shared_for_a_second, with_etag

# What a frame shows and how high it is: at any width from 280 pixels on nothing needs to be scrolled to.
EMBEDS = {"countdown": 290, "progress": 370}


@require_safe
@shared_for_a_second
@kept_for_a_second()
def live(request: HttpRequest) -> HttpResponse:
    """The screen; it asks for `/progress/?part=screen` again every five seconds."""
    context = _current()
    return with_clock(render(request, "campaign/live.html", context | screen_parts(context)), context)


@xframe_options_exempt
@require_safe
@shared_for_a_second
@kept_for_a_second(by={"part": ("",)})
def embed(request: HttpRequest, kind: str) -> HttpResponse:
    """A frame for other sites: countdown or progress; with ?part what is in it, for its own polls.

    Only the hosts that staff or the operator allow may show it; the browser sees to that.
    """
    if kind not in EMBEDS:
        raise Http404("There is no such frame.")
    context = _current() | {"kind": kind, "part_name": f"campaign/_embed_{kind}.html"}
    part = context["part_name"] if "part" in request.GET else "campaign/embed.html"
    response = with_clock(render(request, part, context), context)
    response.headers[POLICY] = build_policy(
        replace={"frame-ancestors": ["'self'", *allowed_hosts(context["campaign"])]}
    )
    response.headers[RESOURCES] = "cross-origin"
    return with_etag(response) if "part" in request.GET else response


def allowed_hosts(campaign: Campaign) -> list[str]:
    """Hosts whose pages may frame the embeds: the campaign's and the operator's, each once."""
    return list(dict.fromkeys([*campaign.embed_hosts.lower().split(), *settings.EMBED_HOSTS]))


def _current() -> dict[str, Any]:
    campaign = current_campaign()
    if campaign is None:
        raise Http404("There is no campaign.")
    return banner(campaign, now=timezone.now())
