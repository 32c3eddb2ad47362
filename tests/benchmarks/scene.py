"""The campaign that pages and whole gifts are measured on: open, with two funds, two pools and a day's gifts so far."""

from functools import cache

from django.core.cache import cache as site_cache
from django.utils import timezone

from campaign.models import Campaign
from tests import factories
from tests.donations.give_form import open_campaign

GIFTS_SO_FAR = 200
_PLENTY_MINOR = 10_000_000_000


@cache
def campaign() -> Campaign:
    """The current campaign, made at the first call."""
    made = open_campaign(is_current=True)
    now = timezone.now()
    factories.pool(campaign=made, limit_minor=_PLENTY_MINOR, now=now, cap_per_gift_minor=5_000)
    factories.pool(campaign=made, limit_minor=_PLENTY_MINOR, now=now)
    for number in range(GIFTS_SO_FAR):
        gift = factories.donation(campaign=made, amount_minor=5_000 + number, at=now)
        factories.match(gift, at=now)
    site_cache.clear()
    return made
