"""Stripe's objects as far as we care, read from their JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext


@dataclass(frozen=True, slots=True)
class ChargeDetails:
    """How a payment was made. method: `card`, `us_bank_account`, `wallet` or `other`; label: Visa, a bank's name."""

    charge: str
    method: str
    label: str
    last4: str
    charged_at: datetime
    amount_minor: int = 0
    currency: str = ""
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """A PaymentIntent as far as we care. gift_key: what we wrote on it when it was made, or empty.

    charge_id: of its latest attempt, empty before the first. charge: its details where they were asked for.
    failed_charge, fingerprint: of the card that was declined last; the same card has the same fingerprint.
    """

    payment_intent: str
    status: str
    amount_minor: int
    currency: str
    gift_key: str
    client_secret: str = ""
    decline_code: str = ""
    charge_id: str = ""
    failed_charge: str = ""
    fingerprint: str = ""
    charge: ChargeDetails | None = None
    created_at: datetime | None = None
    cancel_reason: str = ""
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund, or a dispute, as Stripe lists them. payment_intent: empty when it is of a charge without one."""

    stripe_id: str
    payment_intent: str
    amount_minor: int
    currency: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    event_id: str
    type: str
    api_version: str
    livemode: bool
    created_at: datetime
    payload: dict[str, Any]


def gift_key_of(thing: Mapping[str, Any]) -> str:
    """The key that we wrote on a payment, charge or setup; empty when there is none, or another's mark in its place."""
    written = (thing.get("metadata") or {}).get("gift") or ""
    try:
        return str(UUID(written))
    except ValueError:
        return ""


def payment_from(intent: Mapping[str, Any]) -> Payment:
    """A PaymentIntent's JSON as Payment; `latest_charge` may be an id (then no details) or expanded."""
    charge = intent.get("latest_charge")
    error = intent.get("last_payment_error") or {}
    return Payment(
        payment_intent=intent["id"],
        status=intent["status"],
        amount_minor=intent["amount"],
        currency=intent["currency"].upper(),
        gift_key=gift_key_of(intent),
        client_secret=intent.get("client_secret") or "",
        decline_code=error.get("decline_code") or error.get("code") or "",
        charge_id=(charge["id"] if isinstance(charge, Mapping) else charge) or "",
        failed_charge=error.get("charge") or "",
        fingerprint=fingerprint_of(error.get("payment_method") or {}),
        charge=charge_from(charge) if isinstance(charge, Mapping) else None,
        created_at=datetime.fromtimestamp(intent["created"], tz=UTC) if intent.get("created") else None,
        cancel_reason=intent.get("cancellation_reason") or "",
        customer=intent.get("customer") or "",
    )


def charge_from(charge: Mapping[str, Any]) -> ChargeDetails:
    """A Charge's JSON as ChargeDetails. Unknown ways to pay are `other` and keep Stripe's own name."""
    details = charge.get("payment_method_details") or {}
    kind = details.get("type") or "other"
    way = details.get(kind) or {}
    method, label = kind, ""
    if kind == "card":
        wallet = (way.get("wallet") or {}).get("type")
        method = "wallet" if wallet else "card"
        label = (way.get("brand") or gettext("Card")).replace("_", " ").title()
        if wallet:
            label = f"{wallet.replace('_', ' ').title()}, {label}"
    elif kind == "us_bank_account":
        label = (way.get("bank_name") or gettext("Bank debit")).title()
    else:
        method, label = "other", kind.replace("_", " ").title()
    charged_at = datetime.fromtimestamp(charge["created"], tz=UTC)
    return ChargeDetails(
        charge=charge["id"],
        method=method,
        label=label[:40],
        last4=(way.get("last4") or "")[:4],
        charged_at=charged_at,
        amount_minor=charge["amount"],
        currency=charge["currency"].upper(),
        refunded_minor=charge.get("amount_refunded") or 0,
    )


def refund_from(thing: Mapping[str, Any]) -> Refund:
    """A Refund's or Dispute's JSON as Refund."""
    payment = thing.get("payment_intent") or ""
    return Refund(
        stripe_id=thing["id"],
        payment_intent=payment["id"] if isinstance(payment, Mapping) else payment,
        amount_minor=thing["amount"],
        currency=thing["currency"].upper(),
        status=thing.get("status") or "pending",
        created_at=datetime.fromtimestamp(thing["created"], tz=UTC),
    )


def event_from(event: dict[str, Any]) -> VerifiedEvent:
    """An Event's JSON, from a webhook that was verified or from Stripe's own list."""
    return VerifiedEvent(
        event_id=event["id"],
        type=event["type"],
        api_version=event.get("api_version") or "",
        livemode=bool(event.get("livemode")),
        created_at=datetime.fromtimestamp(event["created"], tz=UTC),
        payload=_storable(event),
    )


def _storable(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it may be kept and read by staff: without the secret with which a payment can be made.

    A NUL, which the payer may have written, becomes U+FFFD: PostgreSQL stores none, and the event must not be lost.
    """
    thing = (event.get("data") or {}).get("object") or {}
    thing.pop("client_secret", None)
    text = json.dumps(event)
    found: dict[str, Any] = json.loads(text.replace("\\u0000", "\\ufffd")) if "\\u0000" in text else event
    return found


def fingerprint_of(method: Mapping[str, Any]) -> str:
    """Of a card or bank account, from a PaymentMethod's JSON: the same one has the same, whoever uses it; or empty."""
    details = method.get(method.get("type") or "") or {}
    return str(details.get("fingerprint") or "")
