"""The site that is audited: the sample campaign at noon of its day, run as in production on free ports."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from campaign.models import Campaign
from donations.models import Donation
from donations.receipts import issue_receipt
from tests import factories
from tests.site import ALWAYS, RunningSite


@dataclass(frozen=True, kw_only=True)
class Address:
    """A page by its name in the tables. is_private: kept out of search engines on purpose, for one donor's eyes."""

    name: str
    path: str
    is_private: bool = False
    pays: bool = False


@contextmanager
def running_site(folder: Path, *, database_url: str) -> Iterator[RunningSite]:
    """All processes, with the sample campaign open since nine hours. The database is changed for good."""
    site = RunningSite(database_url=database_url, folder=folder, record=folder / "stripe-record.jsonl")
    site.environment["MEDIA_ROOT"] = str(settings.MEDIA_ROOT)
    call_command("load_sample_campaign", verbosity=0)
    opened_at = timezone.now() - timedelta(hours=9)
    Campaign.objects.update(opens_at=opened_at, closes_at=opened_at + timedelta(hours=24))
    try:
        site.ensure(*ALWAYS)
        yield site
    finally:
        site.shut_down()


def addresses() -> list[Address]:
    """The pages that donors and the lobby see; a started and a paid gift are made for it."""
    begun = _gift(state=Donation.State.STARTED)
    paid = _gift(state=Donation.State.PAID)
    issue_receipt(donation_id=paid.pk, now=timezone.now())
    return [
        Address(name="campaign", path="/"),
        Address(name="fund", path="/funds/education/"),
        Address(name="story", path="/stories/the-call-before-the-visit/"),
        Address(name="form", path="/give/"),
        Address(name="payment", path=f"/gifts/{begun.token}/pay/", is_private=True, pays=True),
        Address(name="thanks", path=f"/gifts/{paid.token}/", is_private=True),
        Address(name="match", path="/match/"),
        Address(name="live", path="/live/", is_private=True),
    ]


def _gift(*, state: str) -> Donation:
    now = timezone.now()
    gift = factories.donation(state=state, at=now, donor_name="Marta Reyes")
    factories.match(gift, at=now, is_paid=state == Donation.State.PAID)
    return gift
