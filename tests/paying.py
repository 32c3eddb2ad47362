"""Gifts made through the site's own functions and paid at the Stripe sandbox, for tests in this process."""

import base64
import hashlib
import json
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import stripe
from django.conf import settings
from django.utils import timezone

from campaign.models import Campaign
from donations import events, follow_ups, gateway, payments
from donations.giving import GiftRequest, start_gift
from donations.models import Donation, FollowUp, StripeEvent


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
    return pay(donation, method=method)


def pay(donation: Donation, *, method: str = "pm_card_visa") -> Any:
    """Confirm a payment that is open, as the browser would. Returns the PaymentIntent, or the error."""
    donation.refresh_from_db()
    try:
        return client().v1.payment_intents.confirm(
            donation.payment_intent, {"payment_method": method, "return_url": "http://127.0.0.1/back"}
        )
    except stripe.CardError as error:
        return error


def events_of(donation: Donation) -> list[dict[str, Any]]:
    """Every event that the sandbox made about one gift's payment, the oldest first."""
    headers = {"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"}  # not by the library: it takes ten times longer
    with urlopen(Request(f"{settings.STRIPE_API_BASE}/v1/events?limit=100", headers=headers), timeout=10) as answer:
        listed = json.load(answer)["data"]
    return [event for event in reversed(listed) if _is_about(event["data"]["object"], donation)]


def deliver(event: dict[str, Any]) -> StripeEvent:
    """One event through the door and through a worker's hands, in this process."""
    payload = json.dumps(event, default=str)
    header = stripe.WebhookSignature.generate_signature_header(payload, settings.STRIPE_WEBHOOK_SECRETS[0])
    verified = gateway.verify_event(payload.encode(), header)
    row_id = events.store(event=verified, now=timezone.now())
    if row_id is not None:
        events.apply(row_id=row_id, now=timezone.now())
    return StripeEvent.objects.get(event_id=event["id"])


def solved(challenge: dict[str, Any], **changes: Any) -> str:
    """The proof of work that a browser would send."""
    number = next(
        number
        for number in range(challenge["maxnumber"] + 1)
        if hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]
    )
    names = ("algorithm", "challenge", "salt", "signature")
    solution = {name: challenge[name] for name in names} | {"number": number} | changes
    return base64.b64encode(json.dumps(solution).encode()).decode()


def finish(*gifts: Donation) -> None:
    """Do all that is owed for these gifts, when it is due: receipts, then the mails that carry them."""
    for gift in gifts:
        while row := gift.follow_ups.filter(state=FollowUp.State.DUE).first():
            assert follow_ups.run(follow_up_id=row.pk, now=max(row.due_at, timezone.now())), row.last_error


def _is_about(thing: dict[str, Any], donation: Donation) -> bool:
    return donation.payment_intent in (thing.get("id"), thing.get("payment_intent"))
