"""The staff page with the lines of HTML by which other sites show the countdown and the progress."""

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from campaign.models import Campaign
from campaign.pages import EMBEDS
from campaign.screens import allowed_hosts
from donations.roles import needs
from donations.views.staff import page

_TITLES = {"countdown": gettext_lazy("Countdown"), "progress": gettext_lazy("Progress")}


@csp_update({"frame-src": ["'self'"]})
@require_GET
@needs("campaign.change_campaign")
def embeds(request: HttpRequest) -> HttpResponseBase:
    """Each frame as others see it, its line to copy, and who may show it."""
    campaign = Campaign.objects.current()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    frames = [
        {
            "title": _TITLES[kind],
            "address": reverse("embed", args=[kind]),
            "height": height,
            "line": _line(kind, campaign),
        }
        for kind, height in EMBEDS.items()
    ]
    context = {"frames": frames, "hosts": allowed_hosts(campaign), "campaign": campaign}
    return page(request, "donations/staff_embeds.html", campaign, context)


def _line(kind: str, campaign: Campaign) -> str:
    return format_html(
        '<iframe src="{}{}" title="{}: {}" width="100%" height="{}" style="border:0;max-width:40rem" '
        'loading="lazy"></iframe>',
        settings.SITE_URL,
        reverse("embed", args=[kind]),
        campaign.name,
        _TITLES[kind].lower(),
        EMBEDS[kind],
    )
