"""Stripe's events: stored raw as they come, applied by a worker, in any order and any number of copies.

An event only ever says that something happened to a payment, refund or dispute. What is applied is the state of that
object: forward only for payments (payments.settle), as its newest event says for each refund and dispute.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection

from donations import gateway, monthly, payments, renewals, scheduling, strays, subscriptions, work
from donations.gateway import Refund, VerifiedEvent, charge_from, gift_key_of, payment_from, refund_from
from donations.models import Donation, Reversal, StrayPayment, StripeEvent


class UnknownGift(Exception):
    """The event names a payment of ours that no gift carries (yet): it is tried again, then a person looks."""


def store(*, event: VerifiedEvent, now: datetime) -> int | None:
    """Keep a verified event; its row's id, or None when it was here before. One statement."""
    values: dict[str, Any] = {
        "event_id": event.event_id,
        "type": event.type,
        "api_version": event.api_version,
        "livemode": event.livemode,
        "payload": json.dumps(event.payload),
        "payment_intent": _payment_of(event.payload),
        "created_at": event.created_at,
        "now": now,
        "state": StripeEvent.State.RECEIVED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORE, values)
        stored = cursor.fetchone()
    return stored[0] if stored else None


# The ORM's way, bulk_create(ignore_conflicts=True), would be three statements, and a fourth to learn the id.
_STORE = """
INSERT INTO donations_stripeevent (
    event_id, type, api_version, livemode, payload, payment_intent, created_at, received_at, due_at, state,
    attempts, last_error, why_ignored
) VALUES (
    %(event_id)s, %(type)s, %(api_version)s, %(livemode)s, %(payload)s, %(payment_intent)s, %(created_at)s, %(now)s,
    %(now)s, %(state)s, 0, '', ''
) ON CONFLICT (event_id) DO NOTHING RETURNING id
"""


def _payment_of(payload: Mapping[str, Any]) -> str:
    """The payment that an event speaks of: its object, or the one that the object belongs to; empty for others."""
    thing = (payload.get("data") or {}).get("object") or {}
    named = thing.get("id") if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    return named[:64] if isinstance(named, str) else ""


def apply(*, row_id: int, now: datetime) -> int | None:
    """Apply one stored event if it is due and nobody else has it; the gift's id, or None when none was touched.

    A failure stays on the row and is tried again with growing pauses, then waits for a person; it is not raised. What
    we make no use of, and what a newer version of Stripe's API wrote, is kept and listed for staff with the reason.
    """
    row = work.claim(StripeEvent, pk=row_id, now=now)
    if row is None:
        return None
    try:
        ended = _act(row, now=now)
    except Exception as error:  # noqa: BLE001 - whatever it was, the row keeps it and comes due again
        work.note_failure(row, error=error, now=now, permanent=isinstance(error, payments.PaymentMismatch))
        return None
    if isinstance(ended, StripeEvent.Ignored):
        work.note_success(row, state=StripeEvent.State.IGNORED, why_ignored=ended)
        return None
    work.note_success(row, state=StripeEvent.State.APPLIED)
    return ended


def is_newer(api_version: str) -> bool:
    """Whether a version such as 2026-11-19.ember is of a later day than the one that this code was written for."""
    return api_version[:10] > settings.STRIPE_API_VERSION[:10]


def _act(row: StripeEvent, *, now: datetime) -> int | StripeEvent.Ignored:
    """The id of the gift that was moved or looked at, or why the event is of no use."""
    act = ACTIONS.get(row.type)
    if act is None:
        return StripeEvent.Ignored.TYPE
    if is_newer(row.api_version):
        return StripeEvent.Ignored.VERSION  # its fields may mean something else; reconciliation asks for the object
    return act(row, now)


def _payment_moved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    payment = payment_from(_object_of(event))
    donation = _gift_of(payment.payment_intent, gift_key=payment.gift_key)
    if donation is None:
        return StripeEvent.Ignored.NO_GIFT
    if _must_be_read_again(donation, payment):
        payment = gateway.retrieve_payment(payment.payment_intent)
    if not strays.settle_or_set_aside(donation_id=donation.pk, payment=payment, now=now):
        return StripeEvent.Ignored.UNPAID
    if payment.status == "processing" and donation.state == Donation.State.STARTED:
        payment = gateway.retrieve_payment(payment.payment_intent)  # the bank's refusal may have come first
        strays.settle_or_set_aside(donation_id=donation.pk, payment=payment, now=now)
    return donation.pk


def _card_declined(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    ended = _payment_moved(event, now)
    if not isinstance(ended, StripeEvent.Ignored):
        payments.count_decline(donation_id=ended, payment=payment_from(_object_of(event)), now=now)
    return ended


def _charge_succeeded(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    thing = _object_of(event)
    donation = _gift_of(thing.get("payment_intent") or "", gift_key=gift_key_of(thing))
    if donation is None:
        return StripeEvent.Ignored.NO_GIFT
    if donation.charge == thing["id"]:
        return donation.pk
    try:
        payments.keep_charge(donation_id=donation.pk, charge=charge_from(thing))
    except payments.PaymentMismatch:
        payment = gateway.retrieve_payment(thing["payment_intent"])
        strays.settle_or_set_aside(donation_id=donation.pk, payment=payment, now=now)
    return donation.pk


def _fraud_warned(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    thing = _object_of(event)
    donation = _gift_of(thing.get("payment_intent") or "", gift_key="") or _gift_by_asking(thing)
    if donation is None:
        return StripeEvent.Ignored.NO_GIFT
    payments.note_fraud_warning(
        donation_id=donation.pk,
        stripe_id=thing["id"],
        fraud_type=thing["fraud_type"],
        created_at=datetime.fromtimestamp(thing["created"], tz=UTC),
        now=now,
    )
    return donation.pk


def _invoice_moved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    donation = renewals.invoice_moved(_object_of(event)["id"], now=now)
    return donation.pk if donation else StripeEvent.Ignored.NO_GIFT


def _subscription_moved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    donation = renewals.subscription_moved(_object_of(event)["id"], now=now)
    return donation.pk if donation else StripeEvent.Ignored.NO_GIFT


def _card_saved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    saved = subscriptions.saved_card_from(_object_of(event))
    donation = Donation.objects.filter(setup_intent=saved.setup_intent).first()
    if donation is None:
        return StripeEvent.Ignored.NO_GIFT
    scheduling.settle(donation_id=donation.pk, saved=subscriptions.retrieve_saved_card(saved.setup_intent), now=now)
    return donation.pk


def _card_not_saved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    refused = subscriptions.refused_card_from(_object_of(event))
    donation = Donation.objects.filter(setup_intent=refused.setup_intent).first()
    if donation is not None:
        scheduling.count_refusal(donation_id=donation.pk, refused=refused, now=now)
        return donation.pk
    first = monthly.count_refusal(refused=refused, now=now)
    return first.pk if first else StripeEvent.Ignored.NO_GIFT


def _refund_moved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    return _reversal(event, kind=Reversal.Kind.REFUND, now=now)


def _dispute_moved(event: StripeEvent, now: datetime) -> int | StripeEvent.Ignored:
    return _reversal(event, kind=Reversal.Kind.DISPUTE, now=now)


def _reversal(event: StripeEvent, *, kind: str, now: datetime) -> int | StripeEvent.Ignored:
    refund = refund_from(_object_of(event))
    ended = reversal_reported(refund, kind=kind, reported_at=event.created_at, now=now)
    return StripeEvent.Ignored.NO_GIFT if ended is None else ended


def reversal_reported(refund: Refund, *, kind: str, reported_at: datetime, now: datetime) -> int | None:
    """Note a refund or dispute on the gift that it is of, or on the payment that was set aside; the gift's id.

    None when it is about no gift of ours. reported_at: by Stripe's clock. Raises payments.PaymentMismatch, UnknownGift,
    PoolsBusy and the gateway's errors. Asks Stripe once when the payment is not its gift's own.
    """
    donation = _gift_of(refund.payment_intent, gift_key="") or _gift_by_asking(
        {"payment_intent": refund.payment_intent}
    )
    is_stray = StrayPayment.objects.filter(payment_intent=refund.payment_intent, accepted_as=None).exists()
    if refund.payment_intent and (
        is_stray or (donation and donation.payment_intent not in (None, refund.payment_intent))
    ):
        payment = gateway.retrieve_payment(refund.payment_intent)
        strays.set_aside(payment=payment, donation=donation, now=now)
        strays.note_refunds(payment, now=now)
        return donation.pk if donation else None
    if donation is None:
        return None
    if refund.currency != donation.currency:
        raise payments.PaymentMismatch(f"{refund.stripe_id} is in {refund.currency}, {donation.reference} is not")
    return payments.record_reversal(
        donation_id=donation.pk,
        kind=kind,
        stripe_id=refund.stripe_id,
        amount_minor=refund.amount_minor,
        status=refund.status,
        created_at=refund.created_at,
        reported_at=reported_at,
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
    if not payment.gift_key and renewals.is_of_monthly_gift(payment.customer):
        raise UnknownGift(f"{payment.payment_intent} is of a monthly gift; its invoice comes first")
    return _gift_of(payment.payment_intent, gift_key=payment.gift_key)


def _object_of(event: StripeEvent) -> Mapping[str, Any]:
    """The payment, charge, refund or dispute as it stood when the event was made."""
    thing: Mapping[str, Any] = event.payload["data"]["object"]
    return thing


ACTIONS: dict[str, Callable[[StripeEvent, datetime], int | StripeEvent.Ignored]] = {
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
    "radar.early_fraud_warning.created": _fraud_warned,
    "setup_intent.succeeded": _card_saved,
    "setup_intent.setup_failed": _card_not_saved,
    "invoice.paid": _invoice_moved,
    "invoice.payment_failed": _invoice_moved,
    "customer.subscription.updated": _subscription_moved,
    "customer.subscription.deleted": _subscription_moved,
}
