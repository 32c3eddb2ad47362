"""Gifts made through the site's own functions and paid at the Stripe sandbox, for tests in this process."""

import json
from typing import Any
from uuid import uuid4

import stripe
from django.conf import settings
from django.utils import timezone

from campaign.models import Campaign
from donations import events, gateway, payments
from donations.giving import GiftRequest, start_gift
from donations.models import Donation, StripeEvent


def gift_request(campaign: Campaign, *, amount_minor: int = 10_000, **changes: Any) -> GiftRequest:
    """A valid form for the campaign's first fund; changes: any field of GiftRequest."""
    fund = campaign.funds.first()
    assert fund is not None
    values: dict[str, Any] = {
        "form_key": uuid4().hex,
        "parts": ((fund.pk, amount_minor),),
        "fee_minor": 0,
        "donor_name": "Maria Alvarez",
        "donor_email": f"maria-{uuid4().hex[:8]}@example.org",
    }
    return GiftRequest(**values | changes)


def started_gift(campaign: Campaign, **changes: Any) -> Donation:
    """A gift whose form was sent just now."""
    return start_gift(campaign=campaign, request=gift_request(campaign, **changes), now=timezone.now())


def client() -> stripe.StripeClient:
    """Stripe as the donor's browser reaches it, with the sandbox behind it."""
    return stripe.StripeClient(settings.STRIPE_SECRET_KEY, base_addresses={"api": settings.STRIPE_API_BASE})


def confirm(donation: Donation, *, method: str = "pm_card_visa") -> Any:
    """Press Give: open the payment, then confirm it as the browser would. Returns the PaymentIntent, or the error."""
    payments.open_payment(donation_id=donation.pk, now=timezone.now())
    donation.refresh_from_db()
    try:
        return client().v1.payment_intents.confirm(
            donation.payment_intent, {"payment_method": method, "return_url": "http://127.0.0.1/back"}
        )
    except stripe.CardError as error:
        return error


def events_of(donation: Donation) -> list[dict[str, Any]]:
    """Every event that the sandbox made about one gift's payment, the oldest first."""
    listed = client().v1.events.list({"limit": 100})
    mine = [event.to_dict() for event in listed.data if _is_about(event.to_dict()["data"]["object"], donation)]
    return mine[::-1]


def deliver(event: dict[str, Any]) -> StripeEvent:
    """One event through the door and through a worker's hands, in this process."""
    payload = json.dumps(event, default=str)  # the library reads decimals where Stripe sends texts
    header = stripe.WebhookSignature.generate_signature_header(payload, settings.STRIPE_WEBHOOK_SECRETS[0])
    verified = gateway.verify_event(payload.encode(), header)
    row_id = events.store(event=verified, now=timezone.now())
    if row_id is not None:
        events.apply(row_id=row_id, now=timezone.now())
    return StripeEvent.objects.get(event_id=event["id"])


def _is_about(thing: dict[str, Any], donation: Donation) -> bool:
    return donation.payment_intent in (thing.get("id"), thing.get("payment_intent"))
