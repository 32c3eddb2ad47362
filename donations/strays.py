"""Payments that are not what their gift says: set aside, never posted by themselves, until finance decides.

Stripe took the money, so it must not be lost from sight; but another amount, another currency or a second payment may
be a fault or a fraud, and a receipt or a match for it would be wrong. Finance refunds the payment, accepts it as a
gift of what was truly paid, or leaves it as it is, with a reason. Each decision is made once.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext

from campaign.money import format_amount
from donations import gateway, payments
from donations.gateway import Payment
from donations.giving import let_go, locked_gift
from donations.models import Designation, Donation, GiftNote, StrayPayment
from matching import holds
from matching.allocation import Part
from matching.ledger import STRIPE

_COPIED = (
    "campaign",
    "donor",
    "currency",
    *Donation.OF_DONOR_ONLINE,
    *Donation.SOURCE_CODES,
    "source",
    "submitted_at",
)
_TAKEN = ("succeeded", "processing")


class AlreadyDecided(Exception):
    """Somebody else has decided about this payment; nothing was written."""


class CannotAccept(Exception):
    """The payment can be no gift of ours: no gift is known for it, or the currency is another."""


def settle_or_set_aside(*, donation_id: int, payment: Payment, now: datetime) -> bool:
    """Move a gift by its payment; a payment that is not the gift's is set aside when money was taken.

    Returns False when the payment is not the gift's and nothing was taken: there is nothing to do. Raises PoolsBusy.
    A payment that was set aside stays so, whatever comes of it: that is finance's to decide.
    """
    if StrayPayment.objects.filter(payment_intent=payment.payment_intent).exists():
        return True
    try:
        payments.settle(donation_id=donation_id, payment=payment, now=now)
    except payments.PaymentMismatch:
        return set_aside(payment=payment, donation=Donation.objects.get(pk=donation_id), now=now)
    return True


@transaction.atomic
def set_aside(*, payment: Payment, donation: Donation | None, now: datetime) -> bool:
    """Keep a payment that fits no gift for finance, once. False when nothing was taken, or it is posted already."""
    is_posted = Donation.objects.filter(payment_intent=payment.payment_intent, state=Donation.State.PAID).exists()
    if payment.status not in _TAKEN or is_posted:
        return is_posted
    stray, is_new = StrayPayment.objects.get_or_create(
        payment_intent=payment.payment_intent,
        defaults={
            "charge": payment.charge_id,
            "donation": donation,
            "why": _why(payment, donation),
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "made_at": payment.created_at or now,
            "found_at": now,
        },
    )
    if is_new and donation is not None:
        text = gettext("Stripe took %(amount)s that is not this gift's payment; it is set aside for finance.") % {
            "amount": _shown(stray)
        }
        GiftNote.objects.create(donation=donation, at=now, actor=STRIPE, text=text)
    return True


def refund(*, stray_id: int, actor: str, reason: str, now: datetime) -> StrayPayment:
    """Give all that is left of the payment back, through Stripe. A repeat is the same refund.

    Raises AlreadyDecided, gateway.GatewayUnavailable (press again), gateway.GatewayRefused. One call to Stripe,
    outside any transaction.
    """
    stray = _open(stray_id)
    gateway.refund_payment(
        idempotency_key=f"stray-{stray.payment_intent}-{stray.refunded_minor}",
        payment_intent=stray.payment_intent,
        amount_minor=stray.amount_minor - stray.refunded_minor,
        reason="requested_by_customer",
        noted={"asked_by": actor},
    )
    with transaction.atomic():
        stray = _open(stray_id, is_locked=True)
        stray.refunded_minor = stray.amount_minor
        return _decide(stray, StrayPayment.Decision.REFUNDED, actor=actor, reason=reason, now=now)


@transaction.atomic
def leave(*, stray_id: int, actor: str, reason: str, now: datetime) -> StrayPayment:
    """Finance has dealt with it elsewhere, or it is none of our gifts. Raises AlreadyDecided."""
    return _decide(_open(stray_id, is_locked=True), StrayPayment.Decision.LEFT, actor=actor, reason=reason, now=now)


def accept(*, stray_id: int, actor: str, reason: str, now: datetime) -> Donation:
    """Post the payment as a gift of what was truly paid, by the donor it was meant for, and return that gift.

    The gift it was meant for ends unpaid, if it is still open; the new one is for the same funds in proportion, and is
    matched by the moment the first was sent. Raises AlreadyDecided, CannotAccept, PoolsBusy,
    gateway.GatewayUnavailable. One call to Stripe, then one transaction; locks the payment, the gifts, the pools.
    """
    payment = gateway.retrieve_payment(_open(stray_id).payment_intent)
    with transaction.atomic():
        stray = _open(stray_id, is_locked=True)
        if not can_accept(stray):
            raise CannotAccept(stray.payment_intent)
        if payment.status != "succeeded":
            raise CannotAccept(f"{stray.payment_intent} is {payment.status}")
        meant = locked_gift(stray.donation_id or 0)
        _end(meant, payment_intent=stray.payment_intent, now=now, actor=actor)
        donation = _copy(meant, paid_minor=stray.amount_minor)
        _hold(donation, now=now)
        stray.accepted_as = donation
        _decide(stray, StrayPayment.Decision.ACCEPTED, actor=actor, reason=reason, now=now)
        text = gettext("Accepted by finance from a payment meant for %(reference)s: %(reason)s") % {
            "reference": meant.reference,
            "reason": reason,
        }
        GiftNote.objects.create(donation=donation, at=now, actor=actor, text=text[:300])
        return payments.settle(donation_id=donation.pk, payment=payment, now=now, is_accepted=True)


def can_accept(stray: StrayPayment) -> bool:
    """Whether the payment could be a gift: we know whose, it is in the campaign's currency, nothing went back."""
    meant = stray.donation
    return meant is not None and stray.currency == meant.currency and not stray.refunded_minor


@transaction.atomic
def note_refunds(payment: Payment, *, now: datetime) -> bool:
    """A set-aside payment was refunded at Stripe, by whomever; False when this payment is not set aside."""
    found = StrayPayment.objects.select_for_update(no_key=True, of=("self",)).filter(accepted_as=None)
    stray = found.filter(payment_intent=payment.payment_intent).first()
    if stray is None:
        return False
    stray.refunded_minor = payment.charge.refunded_minor if payment.charge else 0
    stray.save(update_fields=["refunded_minor"])
    if stray.refunded_minor == stray.amount_minor and stray.decision == StrayPayment.Decision.OPEN:
        _decide(stray, StrayPayment.Decision.REFUNDED, actor=STRIPE, reason="Refunded at Stripe.", now=now)
    return True


def _why(payment: Payment, donation: Donation | None) -> str:
    if donation is None:
        return StrayPayment.Why.NO_GIFT
    if payment.currency != donation.currency:
        return StrayPayment.Why.CURRENCY
    if payment.amount_minor != donation.total_minor:
        return StrayPayment.Why.AMOUNT
    return StrayPayment.Why.SECOND


def _open(stray_id: int, *, is_locked: bool = False) -> StrayPayment:
    rows = StrayPayment.objects.select_related("donation")
    if is_locked:
        rows = rows.select_for_update(no_key=True, of=("self",))
    stray = rows.get(pk=stray_id)
    if stray.decision != StrayPayment.Decision.OPEN:
        raise AlreadyDecided(stray.get_decision_display())
    return stray


def _decide(stray: StrayPayment, decision: str, *, actor: str, reason: str, now: datetime) -> StrayPayment:
    """The row is locked and open. Whatever it is, the gift that the payment was meant for waits no longer."""
    stray.decision, stray.decided_at, stray.decided_by, stray.reason = decision, now, actor, reason[:200]
    stray.save()
    if stray.donation_id is not None:
        meant = locked_gift(stray.donation_id)
        _end(meant, payment_intent=stray.payment_intent, now=now, actor=actor)
        text = gettext("The payment of %(amount)s: %(decision)s. %(reason)s") % {
            "amount": _shown(stray),
            "decision": stray.get_decision_display().lower(),
            "reason": stray.reason,
        }
        GiftNote.objects.create(donation=meant, at=now, actor=actor, text=text[:300])
    return stray


def _end(donation: Donation, *, payment_intent: str, now: datetime, actor: str) -> None:
    """Close the gift that the stray payment was meant for, unless another payment is its own."""
    if donation.payment_intent == payment_intent and donation.state != Donation.State.PAID:
        donation.payment_intent, donation.charge = None, ""  # it is the stray payment's
        donation.save(update_fields=["payment_intent", "charge"])
    if donation.is_open and donation.payment_intent is None:
        donation.state, donation.closed_at = Donation.State.FAILED, now
        donation.save(update_fields=["state", "closed_at"])
        let_go(donation, now=now, actor=actor)


def _copy(meant: Donation, *, paid_minor: int) -> Donation:
    """The gift again, over what was paid: funds in proportion, the covered card cost as far as it was paid."""
    parts = list(meant.designations.order_by("position", "pk"))
    fee_minor = meant.fee_minor if paid_minor > meant.fee_minor else 0
    amount_minor = paid_minor - fee_minor
    values = {name: getattr(meant, name) for name in _COPIED}
    donation = Donation(**values, amount_minor=amount_minor, fee_minor=fee_minor)
    donation.form_key = f"accepted-{donation.match_key}"
    donation.save()
    before, so_far = 0, 0
    for part in parts:
        so_far += part.amount_minor
        until = so_far * amount_minor // meant.amount_minor
        if until > before:
            Designation.objects.create(
                donation=donation, fund_id=part.fund_id, amount_minor=until - before, position=part.position
            )
        before = until
    return donation


def _hold(donation: Donation, *, now: datetime) -> None:
    parts = tuple(Part(row.fund_id, row.amount_minor) for row in donation.designations.all())
    gift = holds.Gift(UUID(str(donation.match_key)), str(donation.donor_id), parts, donation.submitted_at)
    holds.hold(campaign_id=donation.campaign_id, gift=gift, now=now)


def _shown(stray: StrayPayment) -> str:
    return format_amount(stray.amount_minor, currency=stray.currency)
