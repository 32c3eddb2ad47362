"""The campaign and its funds in the words of schema.org, for search engines: NGO, Event, DonateAction."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext

from campaign.models import Campaign, Fund, Organization

Data = dict[str, Any]


def campaign_data(*, campaign: Campaign, lead: str, organization: Organization | None) -> Data | None:
    """lead: what the campaign's band says now. None without an organization: nobody would be there to give to."""
    if organization is None:
        return None
    event = {
        "@type": "Event",
        "name": campaign.name,
        "description": lead,
        "startDate": campaign.opens_at.astimezone(campaign.tz).isoformat(),
        "endDate": campaign.closes_at.astimezone(campaign.tz).isoformat(),
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OnlineEventAttendanceMode",
        "location": {"@type": "VirtualLocation", "url": _url(reverse("home"))},
        "image": _url(reverse("share-picture")),
        "organizer": {"@id": _id()},
        "isAccessibleForFree": True,
    }
    give = _donate(to=organization.public_name, address=reverse("give"))
    return {"@context": "https://schema.org", "@graph": [_ngo(organization), event, give]}


def fund_data(*, fund: Fund, organization: Organization | None) -> Data | None:
    """As campaign_data(), for one fund; a fund that takes no gifts has no DonateAction."""
    if organization is None:
        return None
    give = _donate(to=fund.name, address=f"{reverse('give')}?fund={fund.slug}")
    give["description"] = fund.summary
    return {"@context": "https://schema.org", "@graph": [_ngo(organization), *([give] if fund.is_open else [])]}


def _ngo(organization: Organization) -> Data:
    known = {
        "telephone": organization.phone,
        "email": organization.email,
        "sameAs": organization.website,
        "taxID": organization.ein,
        "address": ", ".join(organization.address_lines),
        "logo": _url(organization.logo.url) if organization.logo else "",
    }
    named = {"@type": "NGO", "@id": _id(), "name": organization.public_name, "legalName": organization.legal_name}
    return named | {"url": _url(reverse("home"))} | {name: value for name, value in known.items() if value}


def _donate(*, to: str, address: str) -> Data:
    return {
        "@type": "DonateAction",
        "name": gettext("Give to %(name)s") % {"name": to},
        "recipient": {"@id": _id()},
        "target": {"@type": "EntryPoint", "urlTemplate": _url(address)},
    }


def _id() -> str:
    return _url(f"{reverse('home')}#organization")


def _url(address: str) -> str:
    return f"{settings.SITE_URL}{address}"
