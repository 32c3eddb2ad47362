"""Asking Stripe, where no event told us: payments that are late, and payments that we never heard of."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from donations import gateway, payments, strays, stripe_lists
from donations.gateway import Payment
from donations.giving import abandon_gift
from donations.models import Donation, StrayPayment
from matching.ledger import SYSTEM, PoolsBusy

logger = logging.getLogger(__name__)
LATE = timedelta(minutes=2)
ASK_AGAIN = timedelta(minutes=10)
NEVER_PAID = timedelta(hours=24)
MOST_PAGES = 10


def ask_about_late_payments(*, now: datetime, limit: int = 200) -> list[int]:
    """Ask about gifts that should long have been decided, the oldest first; ids of those that moved.

    Gifts with a payment are asked about, each at most once in ASK_AGAIN; those that nobody paid in NEVER_PAID are
    abandoned. Stops at once when Stripe does not answer: the next round goes on. Calls Stripe once per gift.
    """
    moved = []
    for donation in _late(now, limit=limit):
        try:
            changed = _ask_or_close(donation, now=now)
        except gateway.GatewayUnavailable:
            logger.warning("Stripe does not answer; %s and later gifts wait for the next round", donation.reference)
            break
        except payments.PaymentMismatch:
            payment = gateway.retrieve_payment(donation.payment_intent or "")
            strays.settle_or_set_aside(donation_id=donation.pk, payment=payment, now=now)
            continue
        except gateway.GatewayRefused as error:
            logger.error("%s needs a person: %s", donation.reference, error)
            continue
        except PoolsBusy:
            continue
        if changed:
            moved.append(donation.pk)
    return moved


def adopt_unknown_payments(*, since: datetime, now: datetime) -> list[int]:
    """Go through the payments that Stripe has and move every gift that is behind; ids of those that moved.

    Finds payments whose events never came and whose creation we never heard back about. A payment is known by the
    gift's key that we wrote on it. One call to Stripe per hundred payments, at most MOST_PAGES: the hourly run of
    stripe_runs.py goes through all.
    """
    moved, cursor = [], ""
    for _ in range(MOST_PAGES):
        page = stripe_lists.payments(since=since, cursor=cursor)
        for payment in page.rows:
            try:
                moved += _adopted(payment, now=now)
            except PoolsBusy:
                continue  # the next round finds it again
        cursor = page.cursor
        if not cursor:
            break
    return moved


def _adopted(payment: Payment, *, now: datetime) -> list[int]:
    """The gift that this payment moved, if it did."""
    if payment.status not in ("succeeded", "processing") or not payment.gift_key:
        return []
    behind = Donation.objects.filter(match_key=payment.gift_key).exclude(state=Donation.State.PAID).first()
    if behind is None or (payment.status, behind.state) == ("processing", Donation.State.PROCESSING):
        return []
    strays.settle_or_set_aside(donation_id=behind.pk, payment=payment, now=now)
    return [behind.pk] if Donation.objects.get(pk=behind.pk).state != behind.state else []


def _ask_or_close(donation: Donation, *, now: datetime) -> bool:
    """Close a gift that nobody paid in NEVER_PAID, ask about any other; whether it moved.

    What cannot be closed is being paid, or was: then Stripe is asked too. The question is noted before it is asked,
    so that a gift about which Stripe only answers with errors rests like the others.
    """
    if not _is_never_paid(donation, now=now):
        return payments.ask_stripe(donation_id=donation.pk, now=now, patience=ASK_AGAIN).state != donation.state
    Donation.objects.filter(pk=donation.pk).update(asked_stripe_at=now)
    if abandon_gift(donation_id=donation.pk, now=now, actor=SYSTEM):
        return True
    return payments.ask_stripe(donation_id=donation.pk, now=now, patience=timedelta(0)).state != donation.state


def _is_never_paid(donation: Donation, *, now: datetime) -> bool:
    """A gift whose saved card was refused has its own time to be paid in."""
    if donation.state != Donation.State.STARTED:
        return False
    return donation.pay_by <= now if donation.pay_by else donation.submitted_at <= now - NEVER_PAID


def _late(now: datetime, *, limit: int) -> list[Donation]:
    rested = Q(asked_stripe_at=None) | Q(asked_stripe_at__lte=now - ASK_AGAIN)
    paying = Q(payment_intent__isnull=False, submitted_at__lte=now - LATE)
    in_time = Q(pay_by=None) | Q(pay_by__lte=now)
    never = Q(in_time, state=Donation.State.STARTED, submitted_at__lte=now - NEVER_PAID)
    open_gifts = Donation.objects.filter(state__in=[Donation.State.STARTED, Donation.State.PROCESSING])
    open_gifts = open_gifts.exclude(strays__decision=StrayPayment.Decision.OPEN)  # finance's to decide
    return list(open_gifts.filter(rested & (paying | never)).order_by("submitted_at")[:limit])
