"""Gifts scheduled for the day: the card is saved now and charged when the match opens.

    started -> scheduled -> paid | processing          the saved card was charged
               scheduled -> started                    it was refused: the donor pays on the page, in a stated time
               scheduled -> abandoned                  the donor cancelled it

The match is held from the form on, as for every gift, and judged by the moment of the charge; once the card is saved
the hold stands until GRACE after that moment. So the match goes in the order in which gifts were scheduled, and nobody
need be there at the minute. Charges are begun a few a second, below Stripe's limits, in the same order.
"""

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from donations import gateway, payments, saved_cards, strays, subscriptions, work
from donations.gateway import Payment
from donations.giving import GiftAlreadyPaid, hold_fair_match, leave, locked_gift
from donations.models import Donation, FollowUp, GiftNote
from donations.schedule_mail import CANCELLED, REFUSED, SAVED
from donations.subscriptions import RefusedCard, SavedCard
from matching import holds
from matching.ledger import DONOR, STRIPE, SYSTEM, busy_when_locked

GRACE = timedelta(hours=48)  # to pay on the page, when the saved card was refused
CHARGES_A_SECOND = 10
_LEASE = timedelta(minutes=2)  # of one attempt to charge


class NotScheduled(Exception):
    """The gift is not waiting for its day: it is being charged, is paid, or was cancelled."""


def open_card(*, donation_id: int, now: datetime, proof: str = "") -> str:
    """Open the saving of the card, once for each gift; the secret with which the browser does it.

    Two calls to Stripe, after one short transaction and before another. Raises as payments.open_payment() does.
    """
    payments.take_proof(donation_id, proof=proof, now=now)
    donation = payments.prepare(donation_id, now=now)
    with payments.in_turn(donation):
        try:
            return _begin(donation)
        except gateway.GatewayFailed:
            payments.note_round(donation, began_at=now)
            raise


def _begin(donation: Donation) -> str:
    if donation.setup_intent:
        return subscriptions.retrieve_saved_card(donation.setup_intent).client_secret
    if not donation.customer:
        donation.customer = subscriptions.create_customer(
            idempotency_key=f"customer-{donation.match_key}-{donation.payment_round}",
            name=donation.donor_name,
            email=donation.donor_email,
            reference=donation.reference,
        )
        Donation.objects.filter(pk=donation.pk).update(customer=donation.customer)  # the next call may have to wait
    saved = subscriptions.save_card(
        idempotency_key=f"setup-{donation.match_key}-{donation.payment_round}",
        customer=donation.customer,
        description=f"Gift {donation.reference}, {donation.campaign.name}, scheduled",
        gift_key=str(donation.match_key),
    )
    started = Donation.objects.filter(pk=donation.pk, state=Donation.State.STARTED)
    with busy_when_locked(donation.reference):
        is_kept = started.update(setup_intent=saved.setup_intent)
    if not is_kept:  # the gift was left meanwhile, in another tab
        subscriptions.cancel_saving(saved.setup_intent)
        raise GiftAlreadyPaid(Donation.objects.get(pk=donation.pk))
    return saved.client_secret


def count_refusal(*, donation_id: int, refused: RefusedCard, now: datetime) -> None:
    """Count a card that could not be saved, as one that was declined: the saving ends when no other may follow.

    Raises as payments.count_decline() does.
    """
    donation = Donation.objects.get(pk=donation_id)
    payments.count_decline(donation_id=donation_id, payment=refused.as_payment(donation), now=now)


def ask_stripe(*, donation_id: int, now: datetime) -> Donation:
    """Learn whether the card was saved, and schedule the gift if it was.

    At most one question in payments.ASK_AGAIN, however many pages ask. Raises the gateway's errors, PoolsBusy.
    """
    rested = Q(asked_stripe_at=None) | Q(asked_stripe_at__lte=now - payments.ASK_AGAIN)
    saving = Donation.objects.filter(rested, pk=donation_id, state=Donation.State.STARTED, pay_by=None)
    with busy_when_locked(f"gift {donation_id}"):
        is_mine = saving.exclude(setup_intent="").update(asked_stripe_at=now)
    if is_mine:
        saved = subscriptions.retrieve_saved_card(Donation.objects.get(pk=donation_id).setup_intent)
        settle(donation_id=donation_id, saved=saved, now=now)
        Donation.objects.filter(pk=donation_id).update(stripe_answered_at=now)
    return Donation.objects.get(pk=donation_id)


@transaction.atomic
def settle(*, donation_id: int, saved: SavedCard, now: datetime) -> bool:
    """The card was saved: the gift waits for its day, its match held. Safe to repeat; whether it was scheduled now.

    One transaction; locks the gift, then its pools. The news to the donor is owed with it. Raises PoolsBusy.
    """
    donation = locked_gift(donation_id)
    is_ours = saved.setup_intent == donation.setup_intent and saved.customer == donation.customer
    waits = donation.state == Donation.State.STARTED and donation.pay_by is None and donation.charge_at is not None
    if saved.status == "succeeded" and is_ours and donation.state in saved_cards.OVER:
        donation.payment_method = saved.payment_method  # the gift was left while the card was being saved
        donation.save(update_fields=["payment_method"])
        work.owe_forgetting(donation, now=now)
    if saved.status != "succeeded" or not is_ours or not waits or donation.charge_at is None:
        return False
    if not holds.extend(key=donation.match_key, until=donation.charge_at + GRACE):
        hold_fair_match(donation, submitted_at=donation.charge_at, now=now)  # it had lapsed: what is there now
        holds.extend(key=donation.match_key, until=donation.charge_at + GRACE)
    donation.state, donation.scheduled_at = Donation.State.SCHEDULED, now
    donation.payment_method, donation.card = saved.payment_method, saved.fingerprint
    donation.method_label, donation.method_last4 = saved.label, saved.last4
    donation.save(update_fields=["state", "scheduled_at", "payment_method", "card", "method_label", "method_last4"])
    _note(donation, text=gettext("The card was saved; it is charged when the match opens."), actor=STRIPE, now=now)
    work.owe(donation=donation, kind=FollowUp.Kind.SCHEDULE, now=now, subject_id=SAVED)
    return True


@transaction.atomic
def cancel(*, donation_id: int, now: datetime) -> Donation:
    """The donor changed their mind before the day: nothing is charged, the match is free again.

    Raises NotScheduled when the charge has begun or is over. Locks the gift, then its pools. Raises PoolsBusy.
    """
    donation = locked_gift(donation_id)
    if donation.state == Donation.State.ABANDONED:
        return donation
    if donation.state != Donation.State.SCHEDULED or donation.charging_at is not None:
        raise NotScheduled(donation.reference)
    leave(donation, now=now, actor=DONOR)
    work.owe(donation=donation, kind=FollowUp.Kind.SCHEDULE, now=now, subject_id=CANCELLED)
    return donation


def due(*, now: datetime, limit: int) -> list[int]:
    """Scheduled gifts whose moment has come and that nobody is charging, in the order in which they were scheduled."""
    free = Q(charging_at=None) | Q(charging_at__lte=now - _LEASE)
    waiting = Donation.objects.filter(free, state=Donation.State.SCHEDULED, charge_at__lte=now)
    return list(waiting.order_by("scheduled_at", "pk").values_list("pk", flat=True)[:limit])


def charge(*, donation_id: int, now: datetime) -> Donation | None:
    """Charge one gift's saved card; the gift as it is after, or None when somebody else has it.

    The idempotency key comes from the gift, so a worker that dies, or an answer lost on the way, never charges twice. A
    refusal makes it a gift that waits for its donor until GRACE after now, its match held, and the donor is told.
    One call to Stripe, between two short transactions. Raises the gateway's errors: it is tried again.
    """
    free = Q(charging_at=None) | Q(charging_at__lte=now - _LEASE)
    mine = Donation.objects.filter(free, pk=donation_id, state=Donation.State.SCHEDULED, charge_at__lte=now)
    if not mine.update(charging_at=now):
        return None
    donation = Donation.objects.select_related("campaign").get(pk=donation_id)
    try:
        payment = _payment(donation, now=now)
    except gateway.TurnLater:
        Donation.objects.filter(pk=donation_id, charging_at=now).update(charging_at=None)  # no call was made
        raise
    if payment.status in ("succeeded", "processing"):
        strays.settle_or_set_aside(donation_id=donation_id, payment=payment, now=now)
    else:
        _refuse(donation_id, payment, now=now)
    return Donation.objects.get(pk=donation_id)


def _payment(donation: Donation, *, now: datetime) -> Payment:
    if donation.payment_intent:
        return gateway.retrieve_payment(donation.payment_intent)
    charge = partial(gateway.charge_saved, customer=donation.customer, payment_method=donation.payment_method)
    return payments.ask_in_round(donation, ask=charge, now=now)


@transaction.atomic
def _refuse(donation_id: int, payment: Payment, *, now: datetime) -> None:
    """The saved card was refused, or its bank wants to see its owner: the donor must come, and has GRACE for it."""
    donation = locked_gift(donation_id)
    if donation.state != Donation.State.SCHEDULED:
        return
    donation.state, donation.pay_by = Donation.State.STARTED, now + GRACE
    donation.payment_intent, donation.tries = payment.payment_intent, 0
    donation.refusal = payment.decline_code[:40]
    donation.save(update_fields=["state", "pay_by", "payment_intent", "tries", "refusal"])
    holds.extend(key=donation.match_key, until=donation.pay_by)
    text = gettext("The saved card was not charged: refused. The donor is asked to pay.")
    if payment.decline_code == "authentication_required":
        text = gettext(
            "The saved card was not charged: the bank wants its owner to confirm it. The donor is asked to pay."
        )
    _note(donation, text=text, actor=STRIPE, now=now)
    work.owe(donation=donation, kind=FollowUp.Kind.SCHEDULE, now=now, subject_id=REFUSED)


def _note(donation: Donation, *, text: str, actor: str = SYSTEM, now: datetime) -> None:
    GiftNote.objects.create(donation=donation, at=now, actor=actor, text=text[:300])
