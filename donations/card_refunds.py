"""Refunds that staff ask for: checked here, made by Stripe, noted on the gift like those of Stripe's dashboard.

The form's key is the idempotency key, so a double click, a reload or a lost answer makes one refund. Stripe is the
last judge of how much is left: two people who refund at the same moment cannot give back more than was paid.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext, gettext_lazy

from campaign.money import format_amount
from donations import gateway, payments
from donations.models import Donation, GiftNote, Reversal

REASONS = {
    "requested_by_customer": gettext_lazy("The donor asked for it"),
    "duplicate": gettext_lazy("Paid twice"),
    "fraudulent": gettext_lazy("Fraud: the card was not the donor's"),
}


class RefundRefused(Exception):
    """The refund cannot be made; the message says why and what to do. Nothing was given back by this attempt."""


def refundable_minor(donation: Donation) -> int:
    """What can still be given back, in minor units: 0 unless it is a paid gift by card or debit without a dispute."""
    if donation.state != Donation.State.PAID or donation.is_offline or not donation.payment_intent:
        return 0
    taken = donation.reversals.filter(kind=Reversal.Kind.DISPUTE).exclude(status__startswith="warning")
    if taken.exclude(status__in=("won", "prevented")).exists():
        return 0
    return donation.net_minor


def why_not(donation: Donation) -> str:
    """Why nothing can be refunded, as a sentence for staff; empty when something can."""
    if refundable_minor(donation):
        return ""
    if donation.is_offline:
        return gettext("A check or cash is not refunded here: cancel the gift instead.")
    if donation.state != Donation.State.PAID:
        return gettext("Nothing was charged for this gift, so there is nothing to refund.")
    if donation.net_minor == 0:
        return gettext("All of this gift has gone back already.")
    return gettext("The donor's bank has disputed this payment and taken the money: answer the dispute at Stripe.")


def refund(
    *, donation_id: int, amount_minor: int, reason: str, comment: str, form_key: str, actor: str, now: datetime
) -> Reversal:
    """Give back some or all of a gift through Stripe, and note it at once, before the event comes.

    amount_minor: > 0, at most refundable_minor(). reason: one of REASONS. comment: why, for the history. form_key: the
    same key again is the same refund. Raises RefundRefused; gateway.GatewayUnavailable when Stripe does not answer:
    then the same form may be sent again. One call to Stripe, then one short transaction.
    """
    donation = Donation.objects.get(pk=donation_id)
    before = Reversal.objects.filter(donation=donation, form_key=form_key).first()
    if before is not None:
        return before
    _refuse_too_much(donation, amount_minor=amount_minor)
    try:
        made = gateway.refund_payment(
            idempotency_key=f"refund-{form_key}",
            payment_intent=donation.payment_intent or "",
            amount_minor=amount_minor,
            reason=reason,
            noted={"gift": donation.reference, "asked_by": actor, "form": form_key},
        )
    except gateway.GatewayRefused as error:
        raise RefundRefused(
            gettext("Stripe refused it, and nothing was given back: %(error)s") % {"error": error}
        ) from error
    with transaction.atomic():
        payments.record_reversal(
            donation_id=donation_id,
            kind=Reversal.Kind.REFUND,
            stripe_id=made.stripe_id,
            amount_minor=made.amount_minor,
            status=made.status,
            created_at=made.created_at,
            reported_at=made.created_at,
            now=now,
        )
        is_first = Reversal.objects.filter(stripe_id=made.stripe_id, form_key="").update(form_key=form_key)
        if is_first:  # of two clicks at once
            amount = format_amount(made.amount_minor, currency=donation.currency)
            text = gettext("Asked Stripe to give back %(amount)s (%(reason)s). %(comment)s") % {
                "amount": amount,
                "reason": REASONS[reason],
                "comment": comment,
            }
            GiftNote.objects.create(donation=donation, at=now, actor=actor, text=text[:300])
    return Reversal.objects.get(stripe_id=made.stripe_id)


def _refuse_too_much(donation: Donation, *, amount_minor: int) -> None:
    """Raises RefundRefused."""
    left_minor = refundable_minor(donation)
    if not left_minor:
        raise RefundRefused(why_not(donation))
    if amount_minor > left_minor:
        left = format_amount(left_minor, currency=donation.currency)
        raise RefundRefused(
            gettext("Only %(left)s of this gift is left to give back. Write that or less.") % {"left": left}
        )
