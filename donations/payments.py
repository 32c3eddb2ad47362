"""From Give to paid: opening the payment at Stripe, and moving the gift as Stripe says.

    started -> processing -> paid      failed, abandoned: not charged
    started -> paid

Only forward, except that a payment which succeeds after all makes any gift paid: the money was taken. A declined
card moves nothing: the donor tries another. settle() is the one place that reads what Stripe said; it may be called
with any answer, any number of times, in any order.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from campaign.money import format_amount
from donations import follow_ups, gateway, limits, monthly_start, pace, payer_check, proofs
from donations.gateway import ChargeDetails, Payment
from donations.giving import (
    GiftAlreadyPaid,
    GiftInFlight,
    abandon_gift,
    cancel_at_stripe,
    leave,
    let_go,
    locked_gift,
)
from donations.models import Donation, Donor, FollowUp, FraudWarning, GiftNote, Reversal
from matching import holds, late_gifts, refunds
from matching.ledger import STRIPE, busy_when_locked
from matching.queries import gift_match, shortfall

MOST_TRIES = 5
WHILE_PAYING = timedelta(minutes=10)  # Give was pressed, or 3-D Secure is open
LONGEST_PAYING = timedelta(hours=1)  # however often; a 3-D Secure page left open never ends by itself
WHILE_PROCESSING = timedelta(days=10)  # a bank debit: up to four business days
ASK_AGAIN = timedelta(seconds=5)
# Stripe's words for our reason when we cancel the payment of a gift that was left, or end its subscription.
LEFT = ("abandoned", monthly_start.VOIDED)
# Around an asking that Stripe answered with an error of its own: its longest duration, and clocks that differ.
BEFORE_FAILING, AFTER_FAILING = timedelta(minutes=1), timedelta(minutes=2)
GONE_REFUND = ("failed", "canceled")
CLOSED_DISPUTE = ("won", "lost", "warning_closed", "prevented")
# Of two reports that Stripe dates to the same second, the one that stands later here is the newer.
_COURSE = (
    *("requires_action", "pending", "succeeded", *GONE_REFUND),
    *("warning_needs_response", "warning_under_review", "warning_closed"),
    *("needs_response", "under_review", "prevented", "lost", "won"),
)


_SILENT = (
    "The card company does not answer at this moment, and nothing was charged. Please press Give again in a minute."
)
_UNKNOWN = (
    "The card company does not answer at this moment, so we do not know yet whether your earlier try went through. "
    "Please do not pay again: your gift’s page will tell you."
)
_CROWDED = "Very many gifts are arriving this second, and nothing was charged by this try. Press Give once more."


class PaymentUnavailable(Exception):
    """Stripe cannot be reached. The message is for the donor.

    is_certain: certainly nothing was charged, since nobody was ever given the secret of a payment for this gift.
    """

    def __init__(self, message: str, *, is_certain: bool = True) -> None:
        super().__init__(message)
        self.is_certain = is_certain


class InLine(Exception):
    """Very many gifts are being paid: this one goes on at turn_at, in order; its match stays held. Nothing is wrong."""

    def __init__(self, turn_at: datetime) -> None:
        super().__init__(f"not before {turn_at}")
        self.turn_at = turn_at


class ProofNeeded(Exception):
    """The browser must prove some work before this gift is paid (proofs.py); nothing was done."""


class TooManyTries(Exception):
    """Give was pressed MOST_TRIES times for this gift."""


class HoldLapsed(Exception):
    """The match is no longer held: the donor must see the new figure before paying."""


class MatchUndecided(Exception):
    """The gift was kept while the pools were busy: the donor must see its match before paying (kept_gifts.py)."""


class PaymentMismatch(Exception):
    """Stripe's payment is not the gift's: another amount, currency or gift. A person must look."""


def open_payment(*, donation_id: int, now: datetime, proof: str = "") -> str:
    """Open the gift's payment at Stripe, once, and return the secret with which the browser confirms it.

    The hold is extended while the payment is under way or stands in line. The idempotency key comes from the gift, so
    pressing twice, or an answer lost on the way, leads to the same payment. proof: a solved proof of work, or empty.
    One call to Stripe, between two short transactions; none while it is down or the gift's turn has not come.
    An error of Stripe's own (5xx) is remembered under the key for a day: the next press looks for a payment that was
    made all the same, and only then asks under a key of the next round.
    Raises GiftAlreadyPaid, GiftInFlight, HoldLapsed, MatchUndecided, TooManyTries, limits.TooManyAttempts,
    limits.SourceCrowded, ProofNeeded, InLine,
    PaymentUnavailable.
    """
    take_proof(donation_id, proof=proof, now=now)
    donation = prepare(donation_id, now=now)
    with in_turn(donation):
        payment = _payment_at_stripe(donation, now=now)
    if payment.status == "succeeded":
        raise GiftAlreadyPaid(settle(donation_id=donation_id, payment=payment, now=now))
    _compare(donation, payment)  # before its secret goes out: what is confirmed is the gift, to the cent
    if not _remember(donation, payment=payment):
        donation.payment_intent = payment.payment_intent
        cancel_at_stripe(donation)
        raise GiftAlreadyPaid(Donation.objects.get(pk=donation_id))
    return payment.client_secret


@contextmanager
def in_turn(donation: Donation) -> Iterator[None]:
    """Calls to Stripe that open a gift's payment, in the donor's turn. Raises InLine, PaymentUnavailable: no charge."""
    try:
        with pace.in_line(donation.turn_at):
            yield
    except gateway.TurnLater as error:
        _step_back(donation, turn_at=error.turn_at)
        if error.turn_at is not None:
            raise InLine(error.turn_at) from error
        raise PaymentUnavailable(_CROWDED) from error
    except gateway.StripeIsDown as error:
        _step_back(donation, turn_at=None)
        raise _unavailable(donation) from error
    except gateway.GatewayUnavailable as error:
        raise _unavailable(donation) from error


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
        _note_once(donation, text="A card was declined; nothing was charged.", now=now)
    if payment.decline_code and payment.status == "requires_payment_method":
        _count_failure(donation, payment=payment, now=now)
    return donation


def count_decline(*, donation_id: int, payment: Payment, now: datetime) -> None:
    """Count the declined card that an event reports; end the payment when no other may follow (limits.ends_payment).

    payment: as it stood in the event, since Stripe's newest answer names the newest card alone. Whoever has a payment's
    secret can try cards at Stripe without asking us: here that ends, payment cancelled and hold released. Calls Stripe
    at most once, outside any transaction. Raises gateway.GatewayUnavailable, PoolsBusy: the event is applied again.
    """
    with transaction.atomic():
        donation = locked_gift(donation_id)
        _count_failure(donation, payment=payment, now=now)
        donation.declines = donation.failed_tries.count()
        donation.save(update_fields=["declines"])
        is_over = donation.state == Donation.State.STARTED and limits.ends_payment(donation, now=now)
    if is_over:
        abandon_gift(donation_id=donation_id, now=now, actor=STRIPE)


@transaction.atomic
def keep_charge(*, donation_id: int, charge: ChargeDetails) -> None:
    """Note how a gift was paid, as soon as the charge is known. Safe to repeat. Raises PaymentMismatch."""
    donation = locked_gift(donation_id)
    if (charge.amount_minor, charge.currency) != (donation.total_minor, donation.currency):
        raise PaymentMismatch(f"{charge.charge} is {charge.amount_minor} {charge.currency}, {donation.reference} not")
    _keep_charge(donation, charge)


@transaction.atomic
def record_reversal(
    *,
    donation_id: int,
    kind: str,
    stripe_id: str,
    amount_minor: int,
    status: str,
    created_at: datetime,
    reported_at: datetime,
    now: datetime,
) -> Donation:
    """Note a refund or dispute as Stripe reports it, and make match and receipt agree with what is now refunded.

    created_at: of the refund or dispute; reported_at: of this report, both by Stripe's clock. Any order and number of
    reports of the same objects end the same: each row stands as its newest report says (a refund may fail after it
    succeeded, a lost dispute may still be won), and the rest is computed from the sum of the rows.
    One transaction; locks the gift, then its pools. No network. Raises PoolsBusy.
    """
    donation = locked_gift(donation_id)
    row = Reversal.objects.filter(stripe_id=stripe_id).first()
    if row is not None and _age(status, reported_at) <= _age(row.status, row.changed_at):
        return donation
    before = None if row is None else (row.status, row.amount_minor)
    row = row or Reversal(donation=donation, kind=kind, stripe_id=stripe_id, created_at=created_at)
    row.status, row.amount_minor, row.changed_at = status, amount_minor, reported_at
    row.save()
    if (status, amount_minor) != before:
        shown = format_amount(amount_minor, currency=donation.currency)
        _note(donation, text=f"{row.get_kind_display()} of {shown}: {status.replace('_', ' ')}.", now=now)
        _apply_reversals(donation, now=now)
    return donation


@transaction.atomic
def note_fraud_warning(
    *, donation_id: int, stripe_id: str, fraud_type: str, created_at: datetime, now: datetime
) -> None:
    """The card network thinks that the payment was fraud: staff are shown it, nothing else moves. Once per warning."""
    donation = locked_gift(donation_id)
    warning = {"donation": donation, "fraud_type": fraud_type[:60], "created_at": created_at}
    if FraudWarning.objects.get_or_create(stripe_id=stripe_id, defaults=warning)[1]:
        _note(donation, text=f"Early fraud warning: {fraud_type[:60].replace('_', ' ')}.", now=now)


def refunded_total(donation: Donation) -> int:
    """What has gone back of gift and fee, in minor units: the sum of what counts, at most the total."""
    total = sum(row.amount_minor for row in donation.reversals.all() if counts_as_refunded(row))
    return min(total, donation.total_minor)


def counts_as_refunded(row: Reversal) -> bool:
    """A refund that did not fail, a dispute that was lost, a check that was cancelled."""
    if row.kind == Reversal.Kind.REFUND:
        return row.status not in GONE_REFUND
    return row.kind == Reversal.Kind.OFFLINE or row.status == "lost"


def take_proof(donation_id: int, *, proof: str, now: datetime) -> None:
    """Note a valid proof on the gift, for its next press. Raises ProofNeeded for any other."""
    if not proof:
        return
    donation = Donation.objects.get(pk=donation_id)
    try:
        proofs.accept(proof, subject=str(donation.match_key))
    except proofs.BadProof as error:
        raise ProofNeeded(str(error)) from error
    Donation.objects.filter(pk=donation_id).update(proved_at=now)


def _unavailable(donation: Donation) -> PaymentUnavailable:
    """Opening a payment charges nothing; only who was given a payment's secret before may have paid since."""
    if donation.payment_intent is None:
        return PaymentUnavailable(_SILENT)
    return PaymentUnavailable(_UNKNOWN, is_certain=False)


def _step_back(donation: Donation, *, turn_at: datetime | None) -> None:
    """No call was made: the press was no try, and what it proved is still good."""
    Donation.objects.filter(pk=donation.pk).update(
        tries=F("tries") - 1, pressed_at=None, turn_at=turn_at, proved_at=donation.proved_at
    )


def _refuse_robots(donation: Donation, *, standing: limits.Standing, now: datetime) -> None:
    """Raise ProofNeeded when there is reason for doubt and no fresh proof of work."""
    is_doubtful = bool(donation.suspicion) or standing.is_suspicious or payer_check.read(now=now).is_on
    if is_doubtful and (donation.proved_at is None or donation.proved_at <= now - proofs.LASTS):
        raise ProofNeeded(donation.reference)


def prepare(donation_id: int, *, now: datetime) -> Donation:
    """Whether Give may be pressed, and count it; the hold is kept while the payment is under way. Raises as
    open_payment() does. One transaction."""
    with transaction.atomic():
        donation = locked_gift(donation_id)
        if donation.state == Donation.State.PROCESSING:
            raise GiftInFlight(donation)
        if donation.state != Donation.State.STARTED:
            raise GiftAlreadyPaid(donation)
        if donation.awaits_match_since is not None:
            raise MatchUndecided(donation.reference)
        if donation.tries >= MOST_TRIES:
            raise TooManyTries(donation.reference)
        if donation.turn_at is not None and donation.turn_at > now + pace.PATIENCE:
            raise InLine(donation.turn_at)
        _refuse_robots(donation, standing=limits.judge(donation, now=now), now=now)
        match = gift_match(key=donation.match_key)
        if match is not None and match.original_minor and not match.is_held_at(now):
            raise HoldLapsed(donation.reference)
        donation.tries += 1  # nobody else counts meanwhile: the gift is locked
        donation.pressed_at = now
        Donation.objects.filter(pk=donation_id).update(
            tries=donation.tries, pressed_at=now, turn_at=None, proved_at=None
        )
        holds.extend(key=donation.match_key, until=now + WHILE_PAYING, longest=LONGEST_PAYING)
    return donation  # as it was, with its place in line and its proof


def _payment_at_stripe(donation: Donation, *, now: datetime) -> Payment:
    if donation.payment_intent:
        return gateway.retrieve_payment(donation.payment_intent)
    if donation.monthly_id:
        return _monthly_payment(donation, now=now)
    key, made = f"gift-{donation.match_key}", None
    if donation.payment_round and donation.payment_failed_at:
        key = f"{key}-{donation.payment_round}"
        made = made_in_last_round(donation)
    try:
        return made or gateway.create_payment(
            idempotency_key=key,
            gift_key=str(donation.match_key),
            reference=donation.reference,
            amount_minor=donation.total_minor,
            currency=donation.currency,
            description=f"Gift {donation.reference}, {donation.campaign.name}",
        )
    except gateway.GatewayFailed:
        note_round(donation, began_at=now)
        raise


def made_in_last_round(donation: Donation) -> Payment | None:
    """The payment that Stripe made although it answered the last asking with an error of its own; None without one."""
    if donation.payment_failed_at is None:
        return None
    since, until = donation.payment_failed_at - BEFORE_FAILING, donation.payment_failed_at + AFTER_FAILING
    return gateway.find_payment(gift_key=str(donation.match_key), since=since, until=until)


def _monthly_payment(donation: Donation, *, now: datetime) -> Payment:
    attempt = f"-{donation.payment_round}" if donation.payment_round else ""
    try:
        return monthly_start.open_at_stripe(donation, attempt=attempt)
    except gateway.GatewayFailed:
        note_round(donation, began_at=now)
        raise


def note_round(donation: Donation, *, began_at: datetime) -> None:
    """Stripe gives its error again for the same key: the next asking takes another. Two presses at once count once."""
    asked = Donation.objects.filter(pk=donation.pk, payment_round=donation.payment_round, payment_intent=None)
    asked.update(payment_round=F("payment_round") + 1, payment_failed_at=began_at)


def _remember(donation: Donation, *, payment: Payment) -> bool:
    """Keep the payment's id; False when the gift was left meanwhile, in another tab."""
    started = Donation.objects.filter(pk=donation.pk, state=Donation.State.STARTED)
    with busy_when_locked(f"gift {donation.pk}"):
        return bool(started.update(payment_intent=payment.payment_intent))


def _count_failure(donation: Donation, *, payment: Payment, now: datetime) -> None:
    if limits.note_failure(donation, payment=payment, now=now):
        payer_check.weigh(campaign_id=donation.campaign_id, now=now)


def _refuse_mismatch(donation: Donation, payment: Payment, *, is_accepted: bool) -> None:
    _compare(donation, payment, is_accepted=is_accepted)
    if donation.payment_intent is None:
        donation.payment_intent = payment.payment_intent
        donation.save(update_fields=["payment_intent"])


def _compare(donation: Donation, payment: Payment, *, is_accepted: bool = False) -> None:
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
    _note(donation, text="Paid.", now=now)
    follow_ups.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)
    monthly_start.begin(donation, now=now)
    follow_ups.owe_forgetting(donation, now=now)
    was_reversed = donation.reversals.exists()  # reported before the payment
    if was_reversed:
        refunds.lock_ahead(campaign_id=donation.campaign_id)
    shortfall = _match(donation, now=now)  # late: from here on the pools are locked, and every other gift waits
    if donation.match_shortfall_minor != shortfall:
        donation.match_shortfall_minor = shortfall
        donation.save(update_fields=["match_shortfall_minor"])
    if was_reversed:
        _apply_reversals(donation, now=now)


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
            _note(donation, text=f"Paid after the hold had ended: the match is {less} less than was held.", now=now)
        return shortfall
    return 0


def _await_bank(donation: Donation, *, now: datetime) -> None:
    if donation.state not in (Donation.State.STARTED, Donation.State.SCHEDULED):
        return
    donation.state = Donation.State.PROCESSING
    donation.save(update_fields=["state"])
    holds.extend(key=donation.match_key, until=now + WHILE_PROCESSING)
    _note(donation, text="The payment is being processed; the match stays held.", now=now)


def _fail(donation: Donation, *, payment: Payment, now: datetime) -> None:
    if not donation.is_open:
        return
    if donation.state == Donation.State.PROCESSING:  # its donor was told that it is on its way, and left
        follow_ups.owe(donation=donation, kind=FollowUp.Kind.REFUSED, now=now)
    donation.state = Donation.State.FAILED
    donation.closed_at = now
    donation.save(update_fields=["state", "closed_at"])
    why = "was cancelled" if payment.status == "canceled" else "failed"
    _note(donation, text=f"The payment {why}; nothing was charged, and the match was released.", now=now)
    let_go(donation, now=now, actor=STRIPE)
    monthly_start.end(donation)
    follow_ups.owe_forgetting(donation, now=now)


def _apply_reversals(donation: Donation, *, now: datetime) -> None:
    disputes = donation.reversals.filter(kind=Reversal.Kind.DISPUTE).order_by("created_at")
    open_dispute = disputes.exclude(status__in=CLOSED_DISPUTE).first()
    donation.disputed_at = open_dispute.created_at if open_dispute else None
    before, donation.refunded_minor = donation.refunded_minor, refunded_total(donation)
    donation.save(update_fields=["disputed_at", "refunded_minor"])
    if donation.state != Donation.State.PAID or before == donation.refunded_minor == 0:
        return
    core_minor = min(donation.refunded_minor, donation.amount_minor)
    with suppress(holds.NoReservation):
        refunds.settle_refund(key=donation.match_key, refunded_minor=core_minor, now=now)
        _keep_shortfall(donation, now=now)
    if donation.refunded_minor != before:
        follow_ups.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)


def _keep_shortfall(donation: Donation, *, now: datetime) -> None:
    """When a refund failed, other gifts may have some of the match that it had freed: staff and donor must see that."""
    before, donation.match_shortfall_minor = donation.match_shortfall_minor, shortfall(key=donation.match_key)
    donation.save(update_fields=["match_shortfall_minor"])
    if donation.match_shortfall_minor > before:
        less = format_amount(donation.match_shortfall_minor, currency=donation.currency)
        text = f"A refund failed or a dispute was won, and the match could not be restored in full: {less} is missing."
        _note(donation, text=text, now=now)


def _age(status: str, reported_at: datetime) -> tuple[datetime, int, str]:
    """What tells the newer of two reports of one refund or dispute; an unknown status is the oldest of its second."""
    return reported_at, _COURSE.index(status) if status in _COURSE else -1, status


def _note(donation: Donation, *, text: str, now: datetime) -> None:
    GiftNote.objects.create(donation=donation, at=now, actor=STRIPE, text=text)


def _note_once(donation: Donation, *, text: str, now: datetime) -> None:
    if not donation.notes.filter(text=text).exists():
        _note(donation, text=text, now=now)
