from django.http import HttpRequest

from campaign.models import Campaign, Organization


def site(request: HttpRequest) -> dict[str, object]:
    """What every page's frame needs: the organization and the current campaign."""
    return {"organization": Organization.objects.first(), "current_campaign": Campaign.objects.current()}
