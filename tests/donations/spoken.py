"""What of a donor's page or letter is neither marked for translation nor written by staff or donors themselves."""

import re
from datetime import UTC, datetime, timedelta

from campaign.models import Campaign, CardPicture, Fund, Organization, Team
from donations import renewals
from donations.countries import countries
from donations.models import Donation, GiftMessage, MonthlyGift, Tribute, TributeNotice
from donations.subscriptions import Invoice
from matching.models import Sponsor
from tests import factories
from tests.marks import content_of, unmarked_in

NOW = datetime.now(UTC)
_REFUSED = Invoice(
    invoice="in_1",
    subscription="sub_1",
    status="open",
    reason="subscription_cycle",
    amount_minor=10_000,
    attempts=1,
    retry_at=NOW + timedelta(days=3),
    made_at=NOW,
    payment_intent="",
)
_WRITTEN = (
    *(Organization, Campaign, Fund, Team, CardPicture, Sponsor),
    *(Donation, Tribute, TributeNotice, GiftMessage, MonthlyGift),
)
_NAMES = ["Maria", "Marta", "Facebook", "WhatsApp"]
_REFERENCE = re.compile(r"\b(?:M-[A-Z0-9]{10}|MG-\d+|https?://\S+)")


def left_unmarked(text: str, *content: str) -> list[str]:
    """Words of an answer in the made-up language that nobody can translate. content: what else somebody wrote."""
    rows = [row for model in _WRITTEN for row in model.objects.all()]
    names = [name for _, name in countries()]
    written = [*content_of(*rows), *names, *_NAMES, *content]
    return unmarked_in(_REFERENCE.sub(" ", text), content=[words for words in written if len(words) > 1])


def went_back(gift: Donation, kind: str, *, status: str) -> None:
    gift.reversals.create(kind=kind, stripe_id="x", amount_minor=1, status=status, created_at=NOW, changed_at=NOW)


def monthly_gift(campaign: Campaign, *, state: str = "active") -> MonthlyGift:
    """A monthly gift that stands so, with the lines of its history that led there, as the site writes them."""
    first = factories.donation(campaign=campaign, way="monthly", at=NOW)
    monthly = MonthlyGift.objects.create(
        campaign=campaign,
        donor=first.donor,
        state=state if state in ("started", "never") else "active",
        amount_minor=10_000,
        currency="USD",
        parts=[[first.designations.get().fund_id, 10_000]],
        next_at=NOW + timedelta(days=30),
        created_at=NOW,
        method_label="Visa",
        method_last4="4242",
    )
    Donation.objects.filter(pk=first.pk).update(monthly=monthly, refunded_minor=500)
    if state == "active":
        renewals.set_amount(monthly, amount_minor=5_000, fee_minor=150, now=NOW)
    if state in ("unpaid", "stopped"):
        renewals._write_failure(monthly.pk, _REFUSED, decline_code="expired_card", now=NOW)
        monthly.refresh_from_db()
    if state == "stopped":
        renewals.stop(monthly, actor="donor", because="payment_failed", now=NOW)
    monthly.save()
    return monthly
