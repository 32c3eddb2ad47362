"""What a donor may pass on after a gift: the fund, never the amount, and never the gift's own address."""

from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext

from campaign.models import Campaign, Fund, Organization


@dataclass(frozen=True, slots=True)
class Share:
    """title, text, url: what the system's share sheet is filled with. links: where there is none, name and address."""

    title: str
    text: str
    url: str
    links: list[tuple[str, str]]


def share_of(*, campaign: Campaign, fund: Fund, organization: Organization) -> Share:
    """The words a donor to this fund passes on; they may change them before anything is sent."""
    url = f"{settings.SITE_URL}{fund.get_absolute_url()}"
    words = gettext("I just gave to %(fund)s at %(organization)s for %(campaign)s. You can, too:")
    text = words % {"fund": fund.name, "organization": organization.public_name, "campaign": campaign.name}
    title = f"{campaign.name}: {organization.public_name}"
    both, address = quote(f"{text} {url}", safe=""), quote(url, safe="")
    links = [
        (gettext("E-mail"), f"mailto:?subject={quote(title, safe='')}&body={both}"),
        (gettext("Text message"), f"sms:?&body={both}"),
        ("Facebook", f"https://www.facebook.com/sharer/sharer.php?u={address}"),
        ("WhatsApp", f"https://wa.me/?text={both}"),
    ]
    return Share(title, text, url, links)
