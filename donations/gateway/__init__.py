"""Stripe, and nothing but Stripe: the only package that imports its library.

Calls go out in their turn (pace.py), not at all while Stripe is down (outage.py), with a timeout, two retries of the
library's own and an idempotency key made by the caller, so that an answer lost on the way never makes a second
payment. No call is made inside a database transaction.
"""

from donations.gateway.calls import (
    BadSignature,
    PaymentUnderWay,
    cancel_payment,
    charge_saved,
    create_payment,
    find_payment,
    listed,
    payout_state,
    refund_payment,
    retrieve_payment,
    verify_event,
)
from donations.gateway.connection import (
    GatewayFailed,
    GatewayRefused,
    GatewayUnavailable,
    StripeIsDown,
    TurnLater,
    client,
    plain_errors,
    probe,
)
from donations.gateway.objects import (
    ChargeDetails,
    Payment,
    Refund,
    VerifiedEvent,
    charge_from,
    event_from,
    fingerprint_of,
    gift_key_of,
    payment_from,
    refund_from,
)

__all__ = [
    "BadSignature",
    "ChargeDetails",
    "GatewayFailed",
    "GatewayRefused",
    "GatewayUnavailable",
    "Payment",
    "PaymentUnderWay",
    "Refund",
    "StripeIsDown",
    "TurnLater",
    "VerifiedEvent",
    "cancel_payment",
    "charge_from",
    "charge_saved",
    "client",
    "create_payment",
    "event_from",
    "find_payment",
    "fingerprint_of",
    "gift_key_of",
    "listed",
    "payment_from",
    "payout_state",
    "plain_errors",
    "probe",
    "refund_from",
    "refund_payment",
    "retrieve_payment",
    "verify_event",
]
