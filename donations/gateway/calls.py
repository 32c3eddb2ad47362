"""What is asked of Stripe about payments, and the webhooks that it sends: a function for each."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import stripe
from django.conf import settings

from donations.gateway.connection import GatewayRefused, GatewayUnavailable, client, plain_errors
from donations.gateway.objects import Payment, Refund, VerifiedEvent, event_from, payment_from, refund_from

_MOST_SEARCHED = 2_000
REFUND_REASONS = ("requested_by_customer", "duplicate", "fraudulent")


class PaymentUnderWay(Exception):
    """The payment cannot be cancelled: it is being processed or has succeeded."""


class BadSignature(Exception):
    """The webhook was not signed with a secret of ours, or too long ago."""


class WrongMode(BadSignature):
    """The webhook is from Stripe's test mode and our keys are live, or the other way round."""


def create_payment(
    *, idempotency_key: str, gift_key: str, reference: str, amount_minor: int, currency: str, description: str
) -> Payment:
    """Make the PaymentIntent of one gift, or get the same one again for the same idempotency key.

    Raises GatewayUnavailable, GatewayRefused. One call to Stripe.
    """
    with plain_errors():
        intent = client().v1.payment_intents.create(
            {
                "amount": amount_minor,
                "currency": currency.lower(),
                "automatic_payment_methods": {"enabled": True},
                "description": description,
                "metadata": {"gift": gift_key, "reference": reference},
            },
            {"idempotency_key": idempotency_key},
        )
    return payment_from(intent.to_dict())


def charge_saved(
    *,
    idempotency_key: str,
    gift_key: str,
    reference: str,
    amount_minor: int,
    currency: str,
    description: str,
    customer: str,
    payment_method: str,
) -> Payment:
    """Charge a saved card while its owner is away: the payment, made or refused (`decline_code`), with its charge.

    The same key gives the same payment again. Raises GatewayUnavailable, GatewayFailed, GatewayRefused. One call.
    """
    asked: Any = {
        "amount": amount_minor,
        "currency": currency.lower(),
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "customer": customer,
        "payment_method": payment_method,
        "off_session": True,
        "confirm": True,
        "description": description,
        "metadata": {"gift": gift_key, "reference": reference},
        "expand": ["latest_charge"],
    }
    with plain_errors():
        try:
            intent = client().v1.payment_intents.create(asked, {"idempotency_key": idempotency_key}).to_dict()
        except stripe.CardError as error:
            body: Any = error.json_body or {}
            refused = (body.get("error") or {}).get("payment_intent")
            if not refused:
                raise
            intent = refused
    return payment_from(intent)


def retrieve_payment(payment_intent: str) -> Payment:
    """The payment as it stands, with its charge. Raises GatewayUnavailable, GatewayRefused. One call."""
    with plain_errors():
        intent = client().v1.payment_intents.retrieve(payment_intent, {"expand": ["latest_charge"]})
    return payment_from(intent.to_dict())


def cancel_payment(payment_intent: str) -> Payment:
    """Cancel a payment that nobody has made yet; a cancelled one stays so.

    Raises PaymentUnderWay when it is too late, GatewayUnavailable, GatewayRefused. One call, or two.
    """
    try:
        with plain_errors():
            intent = client().v1.payment_intents.cancel(payment_intent, {"cancellation_reason": "abandoned"})
    except GatewayRefused as error:
        payment = retrieve_payment(payment_intent)
        if payment.status == "canceled":
            return payment
        raise PaymentUnderWay(payment.status) from error
    return payment_from(intent.to_dict())


def refund_payment(
    *, idempotency_key: str, payment_intent: str, amount_minor: int, reason: str, noted: Mapping[str, str]
) -> Refund:
    """Give money back, all of a payment or a part of it; the same key gives the same refund again.

    reason: one of REFUND_REASONS. noted: kept with the refund at Stripe. Raises GatewayUnavailable, GatewayFailed,
    GatewayRefused (more than is left, a disputed payment, the key used for another sum). One call.
    """
    asked: Any = {"payment_intent": payment_intent, "amount": amount_minor, "reason": reason, "metadata": dict(noted)}
    with plain_errors():
        return refund_from(client().v1.refunds.create(asked, {"idempotency_key": idempotency_key}).to_dict())


def find_payment(*, gift_key: str, since: datetime, until: datetime) -> Payment | None:
    """The payment that carries this gift's key among those made in a stretch of time, or None when there is none.

    A call for each hundred payments. Raises GatewayUnavailable when there are too many to be sure, GatewayRefused.
    """
    created = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
    asked: Any = {"created": created, "limit": 100}
    with plain_errors():
        page = client().v1.payment_intents.list(asked)
        for number, intent in enumerate(page.auto_paging_iter()):
            if number == _MOST_SEARCHED:
                raise GatewayUnavailable(f"more than {_MOST_SEARCHED} payments in the stretch searched")
            payment = payment_from(intent.to_dict())
            if payment.gift_key == gift_key:
                return payment
    return None


def listed(
    service: Callable[[stripe.StripeClient], Any], *, since: datetime | None, cursor: str = "", **more: Any
) -> tuple[list[dict[str, Any]], str]:
    """One page of a list of Stripe's (stripe_lists.py), newest first: the objects, and where the next page begins.

    since: only what was made from then on, if given. cursor: of the page before. Raises GatewayUnavailable,
    GatewayRefused.
    """
    made = {"created": {"gte": int(since.timestamp())}} if since else {}
    asked = {**made, "limit": 100, **more}
    with plain_errors():
        page = service(client()).list(asked | ({"starting_after": cursor} if cursor else {}))
    # As sent: the library reads some sums as decimals, which cannot be stored.
    things = [json.loads(json.dumps(thing.to_dict(), default=str)) for thing in page.data]
    return things, things[-1]["id"] if page.has_more else ""


def payout_state(payout: str) -> str:
    """Whether Stripe can list what is in a payout: `completed`, `in_progress`, or `not_applicable`. One call."""
    with plain_errors():
        return str(client().v1.payouts.retrieve(payout).reconciliation_status)


def verify_event(payload: bytes, signature: str) -> VerifiedEvent:
    """Read a webhook's raw body, proven to come from Stripe by any of our secrets (two while one is rotated).

    Raises BadSignature for a forged, tampered, stale or unreadable body, and its kind WrongMode. No network call.
    """
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(payload, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
            event = json.loads(payload)  # as sent: the library's own objects hold decimals, and cost as much again
        except (ValueError, stripe.SignatureVerificationError):
            continue
        if bool(event.get("livemode")) != is_live():
            raise WrongMode(f"{event['id']} is of Stripe's {'live' if event.get('livemode') else 'test'} mode")
        return event_from(event)
    raise BadSignature("no secret of ours made this signature")


def is_live() -> bool:
    """Whether our keys move real money."""
    return settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
