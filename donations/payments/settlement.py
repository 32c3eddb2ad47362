"""Where a gift stands by what Stripe said of its payment. settle() alone moves it, from whichever side news comes."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from campaign.money import format_amount
from donations import gateway, limits, monthly_start, payer_check, tributes, work
from donations.gateway import ChargeDetails, Payment
from donations.giving import abandon_gift, leave, let_go, locked_gift
from donations.models import Donation, Donor, FollowUp
from donations.payments.reversals import apply_reversals, note
from matching import holds, late_gifts, refunds
from matching.ledger import STRIPE, busy_when_locked

WHILE_PAYING = timedelta(minutes=10)  # Give was pressed, or 3-D Secure is open
LONGEST_PAYING = timedelta(hours=1)  # however often; a 3-D Secure page left open never ends by itself
WHILE_PROCESSING = timedelta(days=10)  # a bank debit: up to four business days
ASK_AGAIN = timedelta(seconds=5)
# Stripe's words for our reason when we cancel the payment of a gift that was left, or end its subscription.
LEFT = ("abandoned", monthly_start.VOIDED)


class PaymentMismatch(Exception):
    """Stripe's payment is not the gift's: another amount, currency or gift. A person must look."""


def ask_stripe(*, donation_id: int, now: datetime, patience: timedelta = ASK_AGAIN) -> Donation:
    """Ask Stripe how a gift's payment stands and move the gift, for events that are late.

    At most one question for each gift in `patience`, however many pages ask.
    Raises gateway.GatewayUnavailable, PoolsBusy.
    """
    mine = Donation.objects.filter(
        Q(asked_stripe_at=None) | Q(asked_stripe_at__lte=now - patience),
        pk=donation_id,
        payment_intent__isnull=False,
        state__in=[Donation.State.STARTED, Donation.State.PROCESSING],
    )
    with busy_when_locked(f"gift {donation_id}"):
        is_mine = mine.update(asked_stripe_at=now)
    if is_mine:
        donation = Donation.objects.get(pk=donation_id)
        settle(donation_id=donation_id, payment=gateway.retrieve_payment(donation.payment_intent or ""), now=now)
        Donation.objects.filter(pk=donation_id).update(stripe_answered_at=now)
    return Donation.objects.get(pk=donation_id)


@transaction.atomic
def settle(*, donation_id: int, payment: Payment, now: datetime, is_accepted: bool = False) -> Donation:
    """Move a gift to where its payment stands, forward only; safe to repeat and in any order.

    is_accepted: finance took a payment that was made for another gift (strays.py), so its key is not this gift's.
    Raises PaymentMismatch when amount, currency or gift differ: nothing is written then. PoolsBusy: try again.
    One transaction; locks the gift, then its pools. The receipt is owed in the same transaction. No network.
    """
    donation = locked_gift(donation_id)
    _refuse_mismatch(donation, payment, is_accepted=is_accepted)
    if payment.charge is not None:
        _keep_charge(donation, payment.charge)
    if payment.status == "succeeded":
        _pay(donation, now=now)
    elif payment.status == "processing":
        _await_bank(donation, now=now)
    elif payment.status == "requires_action" and donation.is_open:
        holds.extend(key=donation.match_key, until=now + WHILE_PAYING, longest=LONGEST_PAYING)
    elif payment.status == "canceled" and payment.cancel_reason in LEFT and donation.state == Donation.State.STARTED:
        leave(donation, now=now, actor=STRIPE)  # abandon_gift() cancelled it and has not yet come to say so
    elif payment.status == "canceled" or (payment.decline_code and donation.state == Donation.State.PROCESSING):
        _fail(donation, payment=payment, now=now)
    elif payment.decline_code and donation.state == Donation.State.STARTED:
        _note_once(donation, text=gettext("A card was declined; nothing was charged."), now=now)
    if payment.decline_code and payment.status == "requires_payment_method":
        _count_failure(donation, payment=payment, now=now)
    return donation


def count_decline(*, donation_id: int, payment: Payment, now: datetime) -> None:
    """Count the declined card that an event reports; end the payment when no other may follow (limits.ends_payment).

    payment: as it stood in the event, since Stripe's newest answer names the newest card alone. Whoever has a payment's
    secret can try cards at Stripe without asking us: here that ends, payment cancelled and hold released, and so do the
    other payments of a source that may not try again. Calls Stripe once for each of them, outside any transaction.
    Raises gateway.GatewayUnavailable, PoolsBusy: the event is applied again.
    """
    with transaction.atomic():
        donation = locked_gift(donation_id)
        _count_failure(donation, payment=payment, now=now)
        donation.declines = donation.failed_tries.count()
        donation.save(update_fields=["declines"])
        is_over = donation.state == Donation.State.STARTED and limits.ends_payment(donation, now=now)
        others = limits.payments_of_a_refused_source(donation, now=now)
    for ended in dict.fromkeys([*([donation_id] if is_over else []), *others]):
        abandon_gift(donation_id=ended, now=now, actor=STRIPE)


@transaction.atomic
def keep_charge(*, donation_id: int, charge: ChargeDetails) -> None:
    """Note how a gift was paid, as soon as the charge is known. Safe to repeat. Raises PaymentMismatch."""
    donation = locked_gift(donation_id)
    if (charge.amount_minor, charge.currency) != (donation.total_minor, donation.currency):
        raise PaymentMismatch(f"{charge.charge} is {charge.amount_minor} {charge.currency}, {donation.reference} not")
    _keep_charge(donation, charge)


def _count_failure(donation: Donation, *, payment: Payment, now: datetime) -> None:
    if limits.note_failure(donation, payment=payment, now=now):
        payer_check.weigh(campaign_id=donation.campaign_id, now=now)


def _refuse_mismatch(donation: Donation, payment: Payment, *, is_accepted: bool) -> None:
    compare(donation, payment, is_accepted=is_accepted)
    if donation.payment_intent is None:
        donation.payment_intent = payment.payment_intent
        donation.save(update_fields=["payment_intent"])


def compare(donation: Donation, payment: Payment, *, is_accepted: bool = False) -> None:
    """Amount, currency and identity. Raises PaymentMismatch; writes nothing."""
    ours = (donation.total_minor, donation.currency, str(donation.match_key))
    # A subscription's payments carry no key of ours: they are known by their own id, which the gift already has.
    is_known = bool(donation.monthly_id) and not payment.gift_key and donation.payment_intent == payment.payment_intent
    key = str(donation.match_key) if is_accepted or is_known else payment.gift_key
    theirs = (payment.amount_minor, payment.currency, key)
    if ours != theirs or donation.payment_intent not in (None, payment.payment_intent):
        raise PaymentMismatch(f"{donation.reference} is {ours}, the payment {payment.payment_intent} is {theirs}")


def _keep_charge(donation: Donation, charge: ChargeDetails) -> None:
    if donation.charge and donation.state == Donation.State.PAID:
        return
    methods = Donation.Method.values
    donation.charge = charge.charge
    donation.method = charge.method if charge.method in methods else Donation.Method.OTHER
    donation.method_label, donation.method_last4 = charge.label, charge.last4
    donation.charged_at = charge.charged_at
    donation.save(update_fields=["charge", "method", "method_label", "method_last4", "charged_at"])


def _pay(donation: Donation, *, now: datetime) -> None:
    if donation.state == Donation.State.PAID:
        return
    donation.state = Donation.State.PAID
    donation.paid_at = donation.charged_at or now
    donation.closed_at = None
    # Only who paid may say what the donor of an e-mail address is called: a form alone proves nothing.
    Donor.objects.filter(pk=donation.donor_id).exclude(name=donation.donor_name).update(name=donation.donor_name)
    donation.save(update_fields=["state", "paid_at", "closed_at"])
    note(donation, text=gettext("Paid."), now=now)
    work.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)
    tributes.owe(donation, now=now)
    monthly_start.begin(donation, now=now)
    work.owe_forgetting(donation, now=now)
    was_reversed = donation.reversals.exists()  # reported before the payment
    if was_reversed:
        refunds.lock_ahead(campaign_id=donation.campaign_id)
    shortfall = _match(donation, now=now)  # late: from here on the pools are locked, and every other gift waits
    if donation.match_shortfall_minor != shortfall:
        donation.match_shortfall_minor = shortfall
        donation.save(update_fields=["match_shortfall_minor"])
    if was_reversed:
        apply_reversals(donation, now=now)


def _match(donation: Donation, *, now: datetime) -> int:
    """Commit the hold, or match the late payment again; returns the shortfall in minor units."""
    try:
        holds.commit(key=donation.match_key, now=now)
    except holds.HoldAlreadyCommitted:
        return 0
    except holds.NoReservation:
        return 0
    except holds.HoldResolved:
        _, shortfall = late_gifts.match_late(key=donation.match_key, now=now)
        if shortfall:
            less = format_amount(shortfall, currency=donation.currency)
            note(
                donation,
                text=gettext("Paid after the hold had ended: the match is %(less)s less than was held.")
                % {"less": less},
                now=now,
            )
        return shortfall
    return 0


def _await_bank(donation: Donation, *, now: datetime) -> None:
    if donation.state not in (Donation.State.STARTED, Donation.State.SCHEDULED):
        return
    donation.state = Donation.State.PROCESSING
    donation.save(update_fields=["state"])
    holds.extend(key=donation.match_key, until=now + WHILE_PROCESSING)
    note(donation, text=gettext("The payment is being processed; the match stays held."), now=now)


def _fail(donation: Donation, *, payment: Payment, now: datetime) -> None:
    if not donation.is_open:
        return
    if donation.state == Donation.State.PROCESSING:  # its donor was told that it is on its way, and left
        work.owe(donation=donation, kind=FollowUp.Kind.REFUSED, now=now)
    donation.state = Donation.State.FAILED
    donation.closed_at = now
    donation.save(update_fields=["state", "closed_at"])
    text = gettext("The payment failed; nothing was charged, and the match was released.")
    if payment.status == "canceled":
        text = gettext("The payment was cancelled; nothing was charged, and the match was released.")
    note(donation, text=text, now=now)
    let_go(donation, now=now, actor=STRIPE)
    monthly_start.end(donation)
    work.owe_forgetting(donation, now=now)


def _note_once(donation: Donation, *, text: str, now: datetime) -> None:
    if not donation.notes.filter(text=text).exists():
        note(donation, text=text, now=now)
