"""The screen for the lobby and the gala, and what other sites show of the campaign in a frame."""

from csp.constants import HEADER as POLICY
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from campaign import pages
from campaign.countdown import STAGES
from campaign.kept_pages import kept_for_a_second
from campaign.kept_rows import current_campaign
from campaign.models import Campaign
from campaign.response_headers import RESOURCES
from campaign.views import shared_for_a_second, with_etag


@require_safe
@shared_for_a_second
@kept_for_a_second()
def live(request: HttpRequest) -> HttpResponse:
    """The screen; it asks for `/progress/?part=screen` again every five seconds."""
    return pages.live(request, sight=pages.Sight(now=timezone.now()))


@xframe_options_exempt
@require_safe
@shared_for_a_second
@kept_for_a_second(by={"part": ("",), "after": STAGES})
def embed(request: HttpRequest, kind: str) -> HttpResponse:
    """A frame for other sites: countdown or progress; with ?part what is in it, for its own polls, and with
    ?after a stage, a copy that was made after it.

    Only the hosts that staff or the operator allow may show it; the browser sees to that.
    """
    template = pages.embed_part(kind) if "part" in request.GET else "campaign/embed.html"
    response = pages.embed(request, kind, sight=pages.Sight(now=timezone.now()), template=template)
    campaign = current_campaign()
    hosts = allowed_hosts(campaign) if campaign else []
    response.headers[POLICY] = build_policy(replace={"frame-ancestors": ["'self'", *hosts]})
    response.headers[RESOURCES] = "cross-origin"
    return with_etag(response) if "part" in request.GET else response


def allowed_hosts(campaign: Campaign) -> list[str]:
    """Hosts whose pages may frame the embeds: the campaign's and the operator's, each once."""
    return list(dict.fromkeys([*campaign.embed_hosts.lower().split(), *settings.EMBED_HOSTS]))
