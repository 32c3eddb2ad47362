from django.conf import settings
from django.http import HttpRequest

from campaign.kept_rows import current_campaign, organization


def site(request: HttpRequest) -> dict[str, object]:
    """What every page's frame needs: the organization, the current campaign, the site's own address."""
    return {
        "organization": organization(),
        "current_campaign": current_campaign(),
        "site_url": settings.SITE_URL,
    }
