"""Monthly gifts made through the site's own functions and paid at the Stripe sandbox, for tests in this process."""

from typing import Any

from django.utils import timezone

from campaign.models import Campaign
from donations import events
from donations.models import Donation, FollowUp, MonthlyGift, StripeEvent
from sandbox.stripe.control import SandboxControl
from tests.paying import client, confirm, deliver, started_gift


def started_monthly(campaign: Campaign, **changes: Any) -> Donation:
    return started_gift(campaign, way="monthly", **changes)


def begun_monthly(campaign: Campaign, **changes: Any) -> MonthlyGift:
    """A monthly gift whose first payment is made, with everything that Stripe said about it."""
    donation = started_monthly(campaign, **changes)
    confirm(donation)
    deliver_all()
    return MonthlyGift.objects.get(pk=donation.monthly_id)


def all_events(*kinds: str) -> list[dict[str, Any]]:
    """Everything that the sandbox has said so far, the oldest first; only of these kinds, when any are named."""
    listed = client().v1.events.list({"limit": 100})
    found = [event.to_dict() for event in listed.data][::-1]
    return [event for event in found if not kinds or event["type"] in kinds]


def deliver_all(*kinds: str) -> None:
    """Bring every event that is not here yet, and try again what was waiting for another."""
    known = set(StripeEvent.objects.values_list("event_id", flat=True))
    for event in all_events(*kinds):
        if event["id"] not in known:
            deliver(event)
    try_again()


def try_again() -> None:
    for row in StripeEvent.objects.filter(state="received"):
        StripeEvent.objects.filter(pk=row.pk).update(due_at=timezone.now())
        events.apply(row_id=row.pk, now=timezone.now())


def control(stripe_sandbox: Any) -> SandboxControl:
    return SandboxControl(stripe_sandbox.sandbox_url)


def news(monthly: MonthlyGift) -> list[str]:
    """What the donor is owed by e-mail about the monthly gift, by kind of change."""
    owed = FollowUp.objects.filter(donation__monthly=monthly, kind="monthly").values_list("subject_id", flat=True)
    return list(monthly.changes.filter(pk__in=owed).values_list("kind", flat=True))


def story(monthly: MonthlyGift) -> dict[str, Any]:
    """Everything that must be the same, whatever the events did on the way."""
    monthly.refresh_from_db()
    return {
        "state": monthly.state,
        "payments": list(
            monthly.donations.order_by("renews", "pk").values_list("state", "amount_minor", "fee_minor", "renews")
        ),
        "receipts": FollowUp.objects.filter(donation__monthly=monthly, kind="receipt").count(),
        "changes": list(monthly.changes.values_list("kind", flat=True)),
        "news": news(monthly),
    }
