"""Going through everything that Stripe has, by object and not by event, and making our books agree.

A run takes Stripe's lists one after the other, page by page, and writes down after each page where it stands: killed
anywhere, or with Stripe away, it goes on from there. Everything it does is safe to repeat. One run at a time.

    payments    succeeded ones whose gift is behind are completed; those of no gift are set aside for finance
    refunds, disputes, warnings    noted on their gifts as they stand now
    events      that never reached us are stored and applied like webhooks
    movements   of Stripe's balance are kept, for the comparison of a day (stripe_days.py)
    payouts     are read, which of these movements each brought to the bank (payouts.py)
    gifts       that are paid here and have no charge at Stripe are asked about
    days        of the run are compared; those on which our books differ are named to staff

Each run begins before the last one began, so that no outage of ours leaves a gap.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from campaign.models import Campaign
from donations import events, gateway, payments, payouts, renewals, strays, stripe_days, stripe_lists
from donations.gateway import Payment, Refund
from donations.models import Donation, FraudWarning, Reversal, StrayPayment, StripeEvent, StripeMovement, StripeRun
from donations.search import midnight
from donations.stripe_days import QUIET
from donations.stripe_lists import Page
from matching.ledger import SYSTEM, PoolsBusy

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=3)
HOURLY, NIGHTLY = timedelta(hours=1), timedelta(hours=24)
FIRST_LOOKS_BACK = timedelta(days=30)
OVERLAP = timedelta(hours=3)  # of each run with the one before: a payment may be confirmed long after it was made
LATE_CHANGES = {"refunds": timedelta(days=30), "disputes": timedelta(days=120), "warnings": timedelta(days=60)}
CLOCKS = timedelta(minutes=1)  # Stripe's clock and ours may differ
_NIGHT_HOUR = 3
_GIFTS_ASKED = 100


@dataclass
class Advanced:
    """What a turn did: whether the run is over; gifts that moved and events that were stored, to be woken."""

    is_over: bool
    is_stopped_by_time: bool = False
    moved: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)


def start(*, started_by: str, now: datetime, since: datetime | None = None) -> StripeRun:
    """Begin a run, or return the one that is under way. since: from when on; by itself from before the last run."""
    begun = StripeRun(started_at=now, started_by=started_by, since=since or _since(now), step=_FIRST)
    try:
        with transaction.atomic():
            begun.save()
    except IntegrityError:
        return StripeRun.objects.filter(finished_at=None).first() or start(started_by=started_by, now=now, since=since)
    return begun


def is_due(*, now: datetime) -> bool:
    """Whether it is time for a run: each hour around a campaign's days, else once a night in its time zone."""
    newest = StripeRun.objects.first()
    if newest is None:
        return Donation.objects.filter(payment_intent__isnull=False).exists()
    rested = now - newest.started_at
    day = timedelta(days=1)
    if Campaign.objects.filter(opens_at__lte=now + day, closes_at__gte=now - day).exists():
        return rested >= HOURLY
    campaign = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
    is_night = campaign is None or now.astimezone(campaign.tz).hour == _NIGHT_HOUR
    return rested >= NIGHTLY + HOURLY or (is_night and rested >= NIGHTLY - 2 * HOURLY)


def unfinished(*, now: datetime) -> list[int]:
    """Runs that nobody is at: 0 or 1."""
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    return list(StripeRun.objects.filter(free, finished_at=None).values_list("pk", flat=True))


def advance(*, run_id: int, clock: Callable[[], datetime], seconds: float) -> Advanced:
    """Go on with a run for some seconds, or to its end. Nothing happens when it is over or somebody is at it.

    Stops when Stripe does not answer, with the error on the run: the next turn goes on at the same page. A payment that
    cannot be settled because its pools are busy is left to the next run. A call to Stripe for each page.
    """
    began = clock()
    run = _claim(run_id, now=began)
    done = Advanced(is_over=run is None)
    while run is not None and not done.is_over:
        now = clock()
        if now - began >= timedelta(seconds=seconds):
            _let_go(run, error="")
            done.is_stopped_by_time = True
            break
        try:
            cursor = _STEPS[run.step](run, done, now)
        except (gateway.GatewayUnavailable, gateway.GatewayRefused) as error:
            logger.warning("Stripe does not answer; run %s goes on later with its %s", run.pk, run.step)
            _let_go(run, error=str(error)[:500])
            break
        done.is_over = _turn_page(run, cursor=cursor, now=clock())
    return done


def _since(now: datetime) -> datetime:
    last = StripeRun.objects.exclude(finished_at=None).first()
    return last.started_at - OVERLAP if last else now - FIRST_LOOKS_BACK


def _claim(run_id: int, *, now: datetime) -> StripeRun | None:
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    if not StripeRun.objects.filter(free, pk=run_id, finished_at=None).update(leased_until=now + LEASE):
        return None
    return StripeRun.objects.get(pk=run_id)


def _let_go(run: StripeRun, *, error: str) -> None:
    StripeRun.objects.filter(pk=run.pk, leased_until=run.leased_until).update(leased_until=None, last_error=error)


def _turn_page(run: StripeRun, *, cursor: str, now: datetime) -> bool:
    """Write down where the run stands; True when it is over, or when the lease was lost to somebody else."""
    mine = StripeRun.objects.filter(pk=run.pk, leased_until=run.leased_until)
    steps = list(_STEPS)
    if not cursor:
        place = steps.index(run.step) + 1
        if place == len(steps):
            mine.update(finished_at=now, leased_until=None, found=run.found, last_error="")
            return True
        run.step = steps[place]
    run.cursor, run.leased_until = cursor, now + LEASE
    written = {"step": run.step, "cursor": cursor, "leased_until": run.leased_until, "found": run.found}
    return not mine.update(**written, last_error="")


def _count(run: StripeRun, what: str, number: int = 1) -> None:
    run.found[what] = run.found.get(what, 0) + number


def _payments(run: StripeRun, done: Advanced, now: datetime) -> str:
    page = stripe_lists.payments(since=run.since, cursor=run.cursor)
    taken = [payment for payment in page.rows if payment.status in ("succeeded", "processing")]
    _count(run, "payments", len(taken))
    posted = set(
        Donation.objects.filter(
            payment_intent__in=[payment.payment_intent for payment in taken], state=Donation.State.PAID
        ).values_list("payment_intent", flat=True)
    )
    for payment in taken:
        if payment.payment_intent not in posted:
            _adopt(run, done, payment, now)
    if not page.cursor:
        _close_found(now)
    return page.cursor


def _adopt(run: StripeRun, done: Advanced, payment: Payment, now: datetime) -> None:
    """Complete the gift of a payment that Stripe has and we have not; set the payment aside when it fits none."""
    ours = Q(payment_intent=payment.payment_intent)
    gifts = Donation.objects.filter(ours | Q(match_key=payment.gift_key) if payment.gift_key else ours)
    donation = gifts.order_by("pk").first()
    if donation is None and renewals.is_of_monthly_gift(payment.customer):
        found = renewals.find_payments(customer=payment.customer, now=now)
        done.moved += found
        _count(run, "completed", len(found))
        return
    if donation is None:
        is_old = payment.created_at is not None and payment.created_at <= now - QUIET
        is_known = StrayPayment.objects.filter(payment_intent=payment.payment_intent).exists()
        if payment.status == "succeeded" and is_old and not is_known:
            strays.set_aside(payment=payment, donation=None, now=now)
            _count(run, "set_aside")
        return
    if (payment.status, donation.state) == ("processing", Donation.State.PROCESSING):
        return
    before = StrayPayment.objects.filter(payment_intent=payment.payment_intent).exists()
    try:
        strays.settle_or_set_aside(donation_id=donation.pk, payment=payment, now=now)
    except PoolsBusy:
        _count(run, "left_busy")
        return
    after = Donation.objects.get(pk=donation.pk)
    if after.state != donation.state:
        done.moved.append(donation.pk)
        _count(run, "completed")
    elif not before and StrayPayment.objects.filter(payment_intent=payment.payment_intent).exists():
        _count(run, "set_aside")


def _close_found(now: datetime) -> None:
    """Payments that were set aside because no gift was known for them, and whose gift has come since."""
    gifts = Donation.objects.filter(payment_intent=OuterRef("payment_intent"), state=Donation.State.PAID)
    found = StrayPayment.objects.filter(Exists(gifts), decision=StrayPayment.Decision.OPEN, donation=None)
    found.update(
        decision=StrayPayment.Decision.LEFT, decided_at=now, decided_by=SYSTEM, reason="Its gift was found later."
    )


def _reversals(
    kind: str, name: str, listed: Callable[..., Page[Refund]]
) -> Callable[[StripeRun, Advanced, datetime], str]:
    def go_through(run: StripeRun, done: Advanced, now: datetime) -> str:
        page = listed(since=run.since - LATE_CHANGES[name], cursor=run.cursor)
        _count(run, name, len(page.rows))
        ids = [refund.stripe_id for refund in page.rows]
        known = dict(Reversal.objects.filter(stripe_id__in=ids).values_list("stripe_id", "status"))
        for refund in page.rows:
            if known.get(refund.stripe_id) != refund.status:
                _report(run, done, refund, kind=kind, now=now)
        return page.cursor

    return go_through


def _report(run: StripeRun, done: Advanced, refund: Refund, *, kind: str, now: datetime) -> None:
    """As Stripe has it at this moment: newer than any event that came before, less a minute for clocks that differ."""
    try:
        gift_id = events.reversal_reported(refund, kind=kind, reported_at=now - CLOCKS, now=now)
    except (events.UnknownGift, payments.PaymentMismatch, PoolsBusy, gateway.GatewayRefused) as error:
        logger.error("%s %s could not be noted: %s", kind, refund.stripe_id, error)
        _count(run, "not_noted")
        return
    if gift_id is not None:
        done.moved.append(gift_id)
        _count(run, f"{kind}s_noted")


def _warnings(run: StripeRun, done: Advanced, now: datetime) -> str:
    page = stripe_lists.fraud_warnings(since=run.since - LATE_CHANGES["warnings"], cursor=run.cursor)
    ids = [warned.stripe_id for warned in page.rows]
    known = set(FraudWarning.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True))
    gifts = dict(
        Donation.objects.filter(
            payment_intent__in=[warned.payment_intent for warned in page.rows if warned.stripe_id not in known]
        ).values_list("payment_intent", "pk")
    )
    for warned in page.rows:
        gift_id = gifts.get(warned.payment_intent)
        if gift_id is None:
            continue
        payments.note_fraud_warning(
            donation_id=gift_id,
            stripe_id=warned.stripe_id,
            fraud_type=warned.fraud_type,
            created_at=warned.created_at,
            now=now,
        )
        _count(run, "warnings_noted")
    return page.cursor


def _events(run: StripeRun, done: Advanced, now: datetime) -> str:
    since = max(run.since, now - FIRST_LOOKS_BACK)
    page = stripe_lists.undelivered_events(since=since, types=list(events.ACTIONS), cursor=run.cursor)
    wanted = [event for event in page.rows if event.type in events.ACTIONS and event.created_at <= now - QUIET]
    ids = [event.event_id for event in wanted]
    known = set(StripeEvent.objects.filter(event_id__in=ids).values_list("event_id", flat=True))
    for event in wanted:
        row_id = None if event.event_id in known else events.store(event=event, now=now)
        if row_id is not None:
            done.stored.append(row_id)
            _count(run, "events_stored")
    return page.cursor


def _movements(run: StripeRun, done: Advanced, now: datetime) -> str:
    page = stripe_lists.movements(since=run.since, cursor=run.cursor)
    rows = [StripeMovement(**{name: getattr(row, name) for name in _MOVEMENT}) for row in page.rows]
    StripeMovement.objects.bulk_create(rows, ignore_conflicts=True)
    _count(run, "movements", len(rows))
    return page.cursor


def _payouts(run: StripeRun, done: Advanced, now: datetime) -> str:
    return payouts.read_page(run.cursor)


_MOVEMENT = ("stripe_id", "category", "source", "charge", "amount_minor", "fee_minor", "currency", "moved_at")


def _gifts(run: StripeRun, done: Advanced, now: datetime) -> str:
    """Gifts that are paid here though Stripe's balance shows no charge for them: ask how their payment stands."""
    moved = StripeMovement.objects.filter(source=OuterRef("charge"))
    paid = Donation.objects.filter(state=Donation.State.PAID, payment_intent__isnull=False)
    odd = paid.filter(~Exists(moved), paid_at__gte=run.since, paid_at__lt=now - QUIET).order_by("pk")
    for donation in odd[:_GIFTS_ASKED]:
        try:
            payment = gateway.retrieve_payment(donation.payment_intent or "")
        except gateway.GatewayRefused as error:  # Stripe knows no such payment
            logger.error("%s is paid here and not at Stripe: %s", donation.reference, error)
            _count(run, "gifts_without_charge")
            continue
        if payment.status == "succeeded" and payment.charge is not None and not donation.charge:
            payments.keep_charge(donation_id=donation.pk, charge=payment.charge)
        elif payment.status != "succeeded":
            logger.error("%s is paid here, and its payment is %s at Stripe", donation.reference, payment.status)
            _count(run, "gifts_without_charge")
    return ""


def _days(run: StripeRun, done: Advanced, now: datetime) -> str:
    """Compare the days of the run, a day for each page, newest first; `unequal` of what was found names those."""
    campaign = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
    if campaign is None:
        return ""
    day = date.fromisoformat(run.cursor) if run.cursor else run.started_at.astimezone(campaign.tz).date()
    start, end = midnight(day, campaign.tz), midnight(day + timedelta(days=1), campaign.tz)
    books = stripe_days.compare(start=start, end=end, currency=campaign.currency, as_of=run.started_at)
    if not books.is_equal:
        run.found["unequal"] = [*run.found.get("unequal", []), day.isoformat()]
    return (day - timedelta(days=1)).isoformat() if start > run.since else ""


_STEPS: dict[str, Callable[[StripeRun, Advanced, datetime], Any]] = {
    "payments": _payments,
    "refunds": _reversals(Reversal.Kind.REFUND, "refunds", stripe_lists.refunds),
    "disputes": _reversals(Reversal.Kind.DISPUTE, "disputes", stripe_lists.disputes),
    "warnings": _warnings,
    "events": _events,
    "movements": _movements,
    "payouts": _payouts,
    "gifts": _gifts,
    "days": _days,
}
_FIRST = "payments"
