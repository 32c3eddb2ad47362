"""What is measured on: an open campaign with two funds, two pools and a day's gifts so far, and a Stripe beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.core.cache import cache as site_cache
from django.test import override_settings
from django.utils import timezone

from campaign.models import Campaign
from donations import gateway
from sandbox.stripe.control import SandboxControl
from sandbox.stripe.testing import running_sandbox
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


@contextmanager
def stripe() -> Iterator[SandboxControl]:
    """A stand-in for Stripe of the part's own, whom nobody waits in line for."""
    no_line = {"STRIPE_REQUESTS_A_SECOND": 1_000_000, "STRIPE_REQUESTS_A_SECOND_IN_ALL": 1_000_000}
    with running_sandbox() as sandbox, override_settings(STRIPE_API_BASE=sandbox.base_url, **no_line):
        gateway.client.cache_clear()  # it may have met another part's
        yield sandbox
