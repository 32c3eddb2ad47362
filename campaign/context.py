from django.conf import settings
from django.http import HttpRequest

from campaign.models import Campaign, Organization


def site(request: HttpRequest) -> dict[str, object]:
    """What every page's frame needs: the organization, the current campaign, the site's own address."""
    return {
        "organization": Organization.objects.first(),
        "current_campaign": Campaign.objects.current(),
        "site_url": settings.SITE_URL,
    }
