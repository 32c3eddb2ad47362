"""The payment of a gift, opened at Stripe when Give is pressed: in its turn, once, and never for another sum."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from donations import gateway, limits, monthly_start, pace, payer_check, proofs
from donations.gateway import Payment
from donations.giving import (
    GiftAlreadyPaid,
    GiftInFlight,
    abandon_gift,
    cancel_at_stripe,
    locked_gift,
    match_is_lower,
)
from donations.models import Donation
from donations.payments.settlement import LONGEST_PAYING, WHILE_PAYING, compare, settle
from matching import holds
from matching.ledger import SYSTEM, PoolsBusy, busy_when_locked
from matching.queries import gift_match

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_TRIES = 5
# Around an asking that Stripe answered with an error of its own: its longest duration, and clocks that differ.
BEFORE_FAILING, AFTER_FAILING = timedelta(minutes=1), timedelta(minutes=2)
_SILENT = _(
    "The card company does not answer at this moment, and nothing was charged. Please press Give again in a minute."
)
_UNKNOWN = _(
    "The card company does not answer at this moment, so we do not know yet whether your earlier try went through. "
    "Please do not pay again: your gift’s page will tell you."
)
_CROWDED = _("Very many gifts are arriving this second, and nothing was charged by this try. Press Give once more.")


class PaymentUnavailable(Exception):
    """Stripe cannot be reached. The message is for the donor.

    is_certain: certainly nothing was charged, since nobody was ever given the secret of a payment for this gift.
    """

    def __init__(self, message: "StrOrPromise", *, is_certain: bool = True) -> None:
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


class MatchIsLower(Exception):
    """Less is held than the form had shown: the donor has to choose before paying."""


class MatchUndecided(Exception):
    """The gift was kept while the pools were busy: the donor must see its match before paying (kept_gifts.py)."""


def open_payment(*, donation_id: int, now: datetime, proof: str = "") -> str:
    """Open the gift's payment at Stripe, once, and return the secret with which the browser confirms it.

    The hold is extended while the payment is under way or stands in line. The idempotency key comes from the gift, so
    pressing twice, or an answer lost on the way, leads to the same payment. proof: a solved proof of work, or empty.
    One call to Stripe, between two short transactions; none while it is down or the gift's turn has not come.
    An error of Stripe's own (5xx) is remembered under the key for a day: the next press looks for a payment that was
    made all the same, and only then asks under a key of the next round.
    Raises GiftAlreadyPaid, GiftInFlight, HoldLapsed, MatchIsLower, MatchUndecided, TooManyTries,
    limits.TooManyAttempts, limits.SourceCrowded, ProofNeeded, InLine, PaymentUnavailable.
    """
    take_proof(donation_id, proof=proof, now=now)
    donation = prepare(donation_id, now=now)
    with in_turn(donation):
        payment = _payment_at_stripe(donation, now=now)
    if payment.status == "succeeded":
        raise GiftAlreadyPaid(settle(donation_id=donation_id, payment=payment, now=now))
    compare(donation, payment)  # before its secret goes out: what is confirmed is the gift, to the cent
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


def prepare(donation_id: int, *, now: datetime) -> Donation:
    """Whether Give may be pressed, and count it; the hold is kept while the payment is under way. Raises as
    open_payment() does. One transaction; where the source is crowded, Stripe is asked to end what was forgotten there.
    """
    try:
        return _count_press(donation_id, now=now)
    except limits.SourceCrowded:
        _end_forgotten(Donation.objects.get(pk=donation_id), now=now)
        raise


def _end_forgotten(donation: Donation, *, now: datetime) -> None:
    """Each costs a call to Stripe; while it does not answer, one is enough: the donor waits."""
    with suppress(gateway.GatewayUnavailable):
        for forgotten in limits.forgotten_payments(donation, now=now):
            with suppress(gateway.GatewayRefused, PoolsBusy):
                abandon_gift(donation_id=forgotten, now=now, actor=SYSTEM)


def _count_press(donation_id: int, *, now: datetime) -> Donation:
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
        match = gift_match(key=donation.match_key)
        if match is not None and match.original_minor and not match.is_held_at(now):
            raise HoldLapsed(donation.reference)
        if match_is_lower(donation, match):
            raise MatchIsLower(donation.reference)
        _refuse_robots(donation, standing=limits.judge(donation, now=now), now=now)
        donation.tries += 1  # nobody else counts meanwhile: the gift is locked
        donation.pressed_at = now
        Donation.objects.filter(pk=donation_id).update(
            tries=donation.tries, pressed_at=now, turn_at=None, proved_at=None
        )
        holds.extend(key=donation.match_key, until=now + WHILE_PAYING, longest=LONGEST_PAYING)
    return donation  # as it was, with its place in line and its proof


def ask_in_round(donation: Donation, *, ask: Callable[..., Payment], now: datetime) -> Payment:
    """Ask Stripe for the payment of a gift, under the key of this round; or find what the last round made all the same.

    ask: create_payment or charge_saved of the gateway. now: when the asking began. Raises as the gateway does; after
    GatewayFailed the next asking is another round.
    """
    key, made = f"gift-{donation.match_key}", None
    if donation.payment_round and donation.payment_failed_at:
        key = f"{key}-{donation.payment_round}"
        made = _made_in_last_round(donation)
    try:
        return made or ask(
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


def _made_in_last_round(donation: Donation) -> Payment | None:
    """The payment that Stripe made although it answered the last asking with an error of its own; None without one."""
    if donation.payment_failed_at is None:
        return None
    since, until = donation.payment_failed_at - BEFORE_FAILING, donation.payment_failed_at + AFTER_FAILING
    return gateway.find_payment(gift_key=str(donation.match_key), since=since, until=until)


def note_round(donation: Donation, *, began_at: datetime) -> None:
    """Stripe gives its error again for the same key: the next asking takes another. Two presses at once count once."""
    asked = Donation.objects.filter(pk=donation.pk, payment_round=donation.payment_round, payment_intent=None)
    asked.update(payment_round=F("payment_round") + 1, payment_failed_at=began_at)


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


def _payment_at_stripe(donation: Donation, *, now: datetime) -> Payment:
    if donation.payment_intent:
        return gateway.retrieve_payment(donation.payment_intent)
    if donation.monthly_id:
        return _monthly_payment(donation, now=now)
    return ask_in_round(donation, ask=gateway.create_payment, now=now)


def _monthly_payment(donation: Donation, *, now: datetime) -> Payment:
    attempt = f"-{donation.payment_round}" if donation.payment_round else ""
    try:
        return monthly_start.open_at_stripe(donation, attempt=attempt)
    except gateway.GatewayFailed:
        note_round(donation, began_at=now)
        raise


def _remember(donation: Donation, *, payment: Payment) -> bool:
    """Keep the payment's id; False when the gift was left meanwhile, in another tab."""
    started = Donation.objects.filter(pk=donation.pk, state=Donation.State.STARTED)
    with busy_when_locked(f"gift {donation.pk}"):
        return bool(started.update(payment_intent=payment.payment_intent))
