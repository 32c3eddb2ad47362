"""Stripe's events: stored raw as they come, applied by a worker, in any order and any number of copies.

An event only ever says that something happened to a payment, refund or dispute. What is applied is the state of that
object: forward only for payments (payments.settle), as its newest event says for each refund and dispute.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from donations import gateway, payments, work
from donations.gateway import VerifiedEvent, charge_from, payment_from
from donations.models import Donation, Reversal, StripeEvent


class UnknownGift(Exception):
    """The event names a payment of ours that no gift carries (yet): it is tried again, then a person looks."""


def store(*, event: VerifiedEvent, now: datetime) -> int | None:
    """Keep a verified event; its row's id, or None when it was here before. One statement."""
    row = StripeEvent(
        event_id=event.event_id,
        type=event.type,
        api_version=event.api_version,
        livemode=event.livemode,
        payload=event.payload,
        payment_intent=_payment_of(event.payload),
        created_at=event.created_at,
        due_at=now,
    )
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    return StripeEvent.objects.filter(event_id=event.event_id, attempts=0).values_list("pk", flat=True).first()


def _payment_of(payload: Mapping[str, Any]) -> str:
    """The payment that an event speaks of: its object, or the one that the object belongs to; empty for others."""
    thing = (payload.get("data") or {}).get("object") or {}
    named = thing.get("id") if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    return named[:64] if isinstance(named, str) else ""


def apply(*, row_id: int, now: datetime) -> int | None:
    """Apply one stored event if it is due and nobody else has it; the gift's id, or None when none was touched.

    A failure stays on the row and is tried again with growing pauses, then waits for a person; it is not raised.
    """
    row = work.claim(StripeEvent, pk=row_id, now=now)
    if row is None:
        return None
    act = _ACTIONS.get(row.type)
    donation_id = None
    try:
        donation_id = act(row, now) if act else None
    except Exception as error:  # noqa: BLE001 - whatever it was, the row keeps it and comes due again
        work.note_failure(row, error=error, permanent=isinstance(error, payments.PaymentMismatch))
        return None
    state = StripeEvent.State.APPLIED if donation_id else StripeEvent.State.IGNORED
    work.note_success(row, state=state)
    return donation_id


def _payment_moved(event: StripeEvent, now: datetime) -> int | None:
    payment = payment_from(_object_of(event))
    donation = _gift_of(payment.payment_intent, gift_key=payment.gift_key)
    if donation is None:
        return None
    if _must_be_read_again(donation, payment):
        payment = gateway.retrieve_payment(payment.payment_intent)
    payments.settle(donation_id=donation.pk, payment=payment, now=now)
    if payment.status == "processing" and donation.state == Donation.State.STARTED:
        payment = gateway.retrieve_payment(payment.payment_intent)  # the bank's refusal may have come first
        payments.settle(donation_id=donation.pk, payment=payment, now=now)
    return donation.pk


def _card_declined(event: StripeEvent, now: datetime) -> int | None:
    donation_id = _payment_moved(event, now)
    if donation_id is not None:
        payments.count_decline(donation_id=donation_id, now=now)
    return donation_id


def _charge_succeeded(event: StripeEvent, now: datetime) -> int | None:
    thing = _object_of(event)
    donation = _gift_of(thing.get("payment_intent") or "", gift_key=(thing.get("metadata") or {}).get("gift", ""))
    if donation is None:
        return None
    if donation.charge != thing["id"]:
        payments.keep_charge(donation_id=donation.pk, charge=charge_from(thing))
    return donation.pk


def _refund_moved(event: StripeEvent, now: datetime) -> int | None:
    return _reversal(event, kind=Reversal.Kind.REFUND, now=now)


def _dispute_moved(event: StripeEvent, now: datetime) -> int | None:
    return _reversal(event, kind=Reversal.Kind.DISPUTE, now=now)


def _reversal(event: StripeEvent, *, kind: str, now: datetime) -> int | None:
    thing = _object_of(event)
    donation = _gift_of(thing.get("payment_intent") or "", gift_key="") or _gift_by_asking(thing)
    if donation is None:
        return None
    if thing["currency"].upper() != donation.currency:
        raise payments.PaymentMismatch(f"{thing['id']} is in {thing['currency']}, {donation.reference} is not")
    return payments.record_reversal(
        donation_id=donation.pk,
        kind=kind,
        stripe_id=thing["id"],
        amount_minor=thing["amount"],
        status=thing.get("status") or "pending",
        created_at=datetime.fromtimestamp(thing["created"], tz=UTC),
        reported_at=event.created_at,
        now=now,
    ).pk


def _must_be_read_again(donation: Donation, payment: gateway.Payment) -> bool:
    """A success needs the charge for its receipt; a bad end is confirmed, since it may be older than what followed."""
    if payment.status == "succeeded":
        return donation.charge != payment.charge_id and donation.state != Donation.State.PAID
    return donation.is_open and payment.status in ("canceled", "requires_payment_method")


def _gift_of(payment_intent: str, *, gift_key: str) -> Donation | None:
    """The gift that a payment is for: by its id, or by the key that we wrote on it. None: not ours, leave it."""
    donation = Donation.objects.filter(payment_intent=payment_intent).first() if payment_intent else None
    if donation is None and gift_key:
        donation = Donation.objects.filter(match_key=gift_key).first()
        if donation is None:
            raise UnknownGift(f"{payment_intent} carries the gift key {gift_key}")
    return donation


def _gift_by_asking(thing: Mapping[str, Any]) -> Donation | None:
    """The gift of a refund or dispute whose payment we never heard of: only the payment itself carries our key."""
    if not thing.get("payment_intent"):
        return None
    payment = gateway.retrieve_payment(thing["payment_intent"])
    return _gift_of(payment.payment_intent, gift_key=payment.gift_key)


def _object_of(event: StripeEvent) -> Mapping[str, Any]:
    """The payment, charge, refund or dispute as it stood when the event was made."""
    thing: Mapping[str, Any] = event.payload["data"]["object"]
    return thing


_ACTIONS: dict[str, Callable[[StripeEvent, datetime], int | None]] = {
    "payment_intent.succeeded": _payment_moved,
    "payment_intent.processing": _payment_moved,
    "payment_intent.requires_action": _payment_moved,
    "payment_intent.payment_failed": _card_declined,
    "payment_intent.canceled": _payment_moved,
    "charge.succeeded": _charge_succeeded,
    "refund.created": _refund_moved,
    "refund.updated": _refund_moved,
    "refund.failed": _refund_moved,
    "charge.dispute.created": _dispute_moved,
    "charge.dispute.updated": _dispute_moved,
    "charge.dispute.closed": _dispute_moved,
}
