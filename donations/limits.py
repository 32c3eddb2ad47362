"""Limits on tries to pay and on unpaid holds: what a card tester does many times, donors don't.

Counted are cards that Stripe reported as declined (FailedTry), payments that were opened and whose end is not known
yet, and cards that were saved for the day and called off again, since that proves a card for nothing; what was paid
from the same place, or is scheduled there, raises the limits, so that four hundred donors behind one hospital's address
get through while a list of stolen cards does not. All from the database: with Redis gone the limits hold.

    from one address   failures + open payments up to 10 + 2 x paid, or the donor waits some seconds, and payments that
                       were opened long ago and forgotten end
                       failures from 5 + paid/4 on: a proof of work; from 10 + paid/2 on: refused for the hour,
                       and the payments it has opened end
    from one browser   10 failures: refused
    with one e-mail    from the same address 10 failures: refused; from anywhere: a proof of work, never a refusal, so
                       that nobody can lock a stranger out
    with one card      5 failures anywhere: its next failure ends the payment it was used for
    in all             payer_check.py

Holds: five of one browser; of one address as much as two of the largest gifts, and of any pool one gift that is larger
than a fifth and a fifth beside it, with what lapsed there unpaid within the hour, so that holds made again and again do
not keep a pool; four of one gift; much held in all makes every new hold shorter. A scheduled gift's hold counts until
its day, but one gift of each card that is saved counts as a payment does.
"""

import zlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from donations.gateway import Payment
from donations.models import Donation, FailedTry
from matching.ledger import PoolsBusy, busy_when_locked
from matching.models import Allocation, MatchPool, Reservation

WINDOW = timedelta(hours=1)
MOST_FAILURES = 10
PROOF_FROM_FAILURES = 5
MOST_FAILURES_OF_A_CARD = 5
MOST_ENDED_AT_ONCE = 50  # payments of one source; the next failure ends further ones
MOST_HOLDS_OF_A_SESSION = 5
LARGEST_GIFTS_OF_A_SOURCE = 2
MOST_HOLDS_OF_A_GIFT = 4  # one after the other, each of them lapsed
LARGEST_SHARE_PERCENT = 20
LEAST_SHARE_MINOR = 100_000
MUCH_HELD_PERCENT = 30
SHORT_HOLD = timedelta(minutes=5)
LONGEST_UNPAID = timedelta(days=2)  # a gift is closed long before
PRESSED_FOR = timedelta(minutes=1)  # a press counts for so long while no payment of its gift is known
FORGOTTEN_AFTER = timedelta(minutes=10)  # a payment that was opened and not ended, where others wait for it
MOST_FORGOTTEN_AT_ONCE = 3
SENTENCE = _(
    "We cannot take another card payment here just now, and nothing was charged by this try. "
    "Please wait an hour, or give by phone or post."
)
HELD_SENTENCE = _(
    "Gifts that were begun from your network and are not paid yet hold very much match money already. "
    "As these are paid, more can begin: please try again later, or give by phone or post."
)
# Its card is saved and will be charged, or was refused and its donor has been asked to pay (scheduling.py).
_WAITS_FOR_ITS_DAY = Q(state=Donation.State.SCHEDULED) | Q(state=Donation.State.STARTED, pay_by__isnull=False)
# Its card was saved, and it was called off before it was ever charged.
_WAS_SAVED = Q(state=Donation.State.ABANDONED, pay_by=None) & ~Q(payment_method="")
_LOCK_CLASS = 0x2F01D  # of PostgreSQL's advisory locks: one source at a time


class TooManyAttempts(Exception):
    """This source, browser or e-mail address has failed too often; the donor's sentence is SENTENCE for all."""


class SourceCrowded(Exception):
    """Very many presses from this source have not ended yet: the donor waits a moment, nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the last hour knows of where a gift comes from. by_*: failures; open_payments: with unknown end."""

    by_source: int
    by_session: int
    by_pair: int
    by_donor: int
    paid: int
    open_payments: int

    @property
    def is_source_refused(self) -> bool:
        return self.by_source >= MOST_FAILURES + self.paid // 2

    @property
    def is_refused(self) -> bool:
        return self.is_source_refused or self.by_session >= MOST_FAILURES or self.by_pair >= MOST_FAILURES

    @property
    def is_crowded(self) -> bool:
        return self.by_source + self.open_payments >= MOST_FAILURES + 2 * self.paid

    @property
    def is_suspicious(self) -> bool:
        """Whether a proof of work is asked for before the next try."""
        return (
            self.by_source >= PROOF_FROM_FAILURES + self.paid // 4
            or self.by_session >= PROOF_FROM_FAILURES
            or self.by_donor >= MOST_FAILURES
        )


def standing(donation: Donation, *, now: datetime) -> Standing:
    """Read what is known of a gift's source, browser and e-mail. Two queries; writes nothing."""
    since = now - WINDOW
    source, session = Q(source=donation.source), Q(session=donation.form_session)
    donor = Q(donor_id=donation.donor_id)
    nobody = Q(pk=None)  # an unknown source is nobody's
    source = source if donation.source else nobody
    session = session if donation.form_session else nobody
    failed = FailedTry.objects.filter(source | session | donor, at__gt=since).aggregate(
        by_source=Count("pk", filter=source),
        by_session=Count("pk", filter=session),
        by_pair=Count("pk", filter=source & donor),
        by_donor=Count("pk", filter=donor),
    )
    seen = _near(donation, now=now).aggregate(
        paid=Count("pk", filter=Q(state=Donation.State.PAID, paid_at__gt=since)),
        scheduled=Count("card", filter=Q(state=Donation.State.SCHEDULED, scheduled_at__gt=since), distinct=True),
        called_off=Count("pk", filter=_WAS_SAVED & Q(closed_at__gt=since)),
        open_payments=Count("pk", filter=_is_open(now)),
    )
    return Standing(
        by_source=failed["by_source"] + seen["called_off"],
        by_session=failed["by_session"],
        by_pair=failed["by_pair"],
        by_donor=failed["by_donor"],
        paid=seen["paid"] + seen["scheduled"],
        open_payments=seen["open_payments"],
    )


def _near(donation: Donation, *, now: datetime) -> QuerySet[Donation]:
    """The other gifts of a gift's source; an unknown source has none."""
    if not donation.source:
        return Donation.objects.none()
    near = Donation.objects.filter(source=donation.source, submitted_at__gt=now - LONGEST_UNPAID)
    return near.exclude(pk=donation.pk)


def _is_open(now: datetime) -> Q:
    """Gifts on which a card can be tried without asking us, for Give was pressed and the end is not known: a payment
    was opened, however long ago, or is being opened this moment."""
    opened = Q(payment_intent__isnull=False) | ~Q(setup_intent="")
    is_new = Q(pressed_at__gt=now - PRESSED_FOR)
    unknown = Q(declined_at=None) | Q(declined_at__lt=F("pressed_at"))
    return Q(state=Donation.State.STARTED, pay_by=None, pressed_at__isnull=False) & (opened | is_new) & unknown


def forgotten_payments(donation: Donation, *, now: datetime) -> list[int]:
    """The gifts whose payments may end where a gift's source is crowded, so that the next donor there goes on.

    Opened FORGOTTEN_AFTER ago and since then neither paid nor declined: a 3-D Secure page that was closed, or a thief's
    store of payments for later. Ids, oldest first, at most MOST_FORGOTTEN_AT_ONCE. Writes nothing.
    """
    old = _near(donation, now=now).filter(_is_open(now), pressed_at__lte=now - FORGOTTEN_AFTER)
    return list(old.order_by("pressed_at").values_list("pk", flat=True)[:MOST_FORGOTTEN_AT_ONCE])


def judge(donation: Donation, *, now: datetime) -> Standing:
    """The gift's standing, or TooManyAttempts, SourceCrowded when it may not go on now.

    Takes an advisory lock on the source until the transaction ends, so that presses at one moment are counted one
    after the other: to be called in the transaction that writes pressed_at, with the gift locked. Raises PoolsBusy.
    """
    if donation.source:
        key = zlib.crc32(donation.source.encode()) - 2**31
        with busy_when_locked(f"source {donation.source}"), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, key])
    found = standing(donation, now=now)
    if found.is_refused:
        raise TooManyAttempts(SENTENCE)
    if donation.source and found.is_crowded:
        raise SourceCrowded(donation.source)
    return found


def note_failure(donation: Donation, *, payment: Payment, now: datetime) -> bool:
    """Count a declined card, once however often and by whom Stripe's answer is read; whether it was new.

    The gift must be locked by the caller, which runs the transaction.
    """
    stripe_id = payment.failed_charge or f"{payment.payment_intent}:{payment.decline_code}"
    row = FailedTry(
        donation=donation,
        stripe_id=stripe_id[:128],
        at=now,
        donor_id=donation.donor_id,
        source=donation.source,
        session=donation.form_session,
        fingerprint=payment.fingerprint[:64],
    )
    before = donation.failed_tries.count()
    FailedTry.objects.bulk_create([row], ignore_conflicts=True)
    is_new = donation.failed_tries.count() > before
    if is_new:
        donation.declined_at = now
        donation.save(update_fields=["declined_at"])
    return is_new


def ends_payment(donation: Donation, *, now: datetime) -> bool:
    """Whether a gift whose card was just declined gets no other card: its payment is to be cancelled.

    When more cards failed than Give was pressed (somebody goes round our page with the payment's secret), when the
    card has failed in many places, or when its source, browser or e-mail may not try again anyhow.
    """
    cards = list(donation.failed_tries.values_list("fingerprint", flat=True))
    if len(cards) > donation.tries + 1:
        return True
    newest = donation.failed_tries.exclude(fingerprint="").values_list("fingerprint", flat=True).first()
    if newest:
        same = FailedTry.objects.filter(fingerprint=newest, at__gt=now - WINDOW)
        if same.count() > MOST_FAILURES_OF_A_CARD and len(set(same.values_list("donation_id", flat=True)[:50])) > 1:
            return True
    return bool(cards) and standing(donation, now=now).is_refused


def payments_of_a_refused_source(donation: Donation, *, now: datetime) -> list[int]:
    """The gifts whose payments are to end because a gift's source may not try again: all it has opened and not paid.

    Whoever has the secrets of many payments could otherwise try one more card on each without asking us. Ids, oldest
    first, at most MOST_ENDED_AT_ONCE; none as long as the source may try. Writes nothing.
    """
    if not standing(donation, now=now).is_source_refused:
        return []
    is_opened = Q(payment_intent__isnull=False) | ~Q(setup_intent="")
    opened = _unpaid(now).filter(is_opened, source=donation.source, pay_by__isnull=True)
    return list(opened.order_by("pk").values_list("pk", flat=True)[:MOST_ENDED_AT_ONCE])


class TooMuchHeld(PoolsBusy):
    """Gifts begun by this source and not paid hold so much match that it has to pay or leave one first."""


def refuse_too_much_held(*, source: str, session: str, form_key: str, largest_gift_minor: int, now: datetime) -> None:
    """Raise TooMuchHeld when other unpaid gifts of a browser, or of a source, hold too much match already.

    A form costs nothing: without this one computer could hold every pool, and again when the holds lapse. A browser
    has MOST_HOLDS_OF_A_SESSION; a source is counted in money, LARGEST_GIFTS_OF_A_SOURCE times largest_gift_minor or
    more, not in gifts, so that all of a hospital's staff can give at the same time. source: sources.source_of. Empty
    ones are never refused. form_key: of the gift to be held, whose own hold does not count.
    Writes nothing; senders at the same moment may pass together, as many as there are threads.
    """
    for name, value in (("form_session", session), ("source", source)):
        if not value:
            continue
        unpaid = _unpaid(now).filter(**{name: value}).exclude(form_key=form_key)
        others = list(unpaid.values_list("match_key", flat=True))
        if not others:  # as for nearly everybody
            continue
        found = (
            _held(now)
            .filter(reservation__key__in=others)
            .aggregate(sum=Sum("amount_minor"), gifts=Count("reservation", distinct=True))
        )
        is_many = name == "form_session" and found["gifts"] >= MOST_HOLDS_OF_A_SESSION
        if is_many or (found["sum"] or 0) >= LARGEST_GIFTS_OF_A_SOURCE * largest_gift_minor:
            raise TooMuchHeld(f"unpaid gifts of {name} {value} hold {found['sum']}")


def refuse_too_large_a_share(donation: Donation, *, now: datetime) -> None:
    """Raise TooMuchHeld when a source's unpaid gifts hold more than a fifth of a pool, this one's new hold included.

    Counted with them is what they held for long and did not pay, within the hour: else a form sent every quarter of an
    hour would keep the money for good. Of a small pool LEAST_SHARE_MINOR may be held. The largest gift, where it alone
    is more, does not count: it is whom the sponsor waits for, and its colleagues must not be refused for it. A source
    that pays may hold more: _earned() is added.
    A bank debit that is on its way is not counted: its account was proven.
    To be called in the transaction that made the hold, which is undone; its pools are locked there. One small query
    for who is alone behind an address; writes nothing.
    """
    if not donation.source:
        return
    near = Donation.objects.filter(source=donation.source).exclude(pk=donation.pk)
    open_ones = Q(state=Donation.State.STARTED, submitted_at__gt=now - LONGEST_UNPAID)
    near = near.filter(open_ones | _WAITS_FOR_ITS_DAY | Q(closed_at__gt=now - WINDOW))
    keys = list(near.values_list("match_key", flat=True))
    if not keys:
        return
    own = Q(reservation__key=donation.match_key)
    is_held, is_lapsed, is_released = (Q(reservation__state=state) for state in ("held", "expired", "released"))
    was_long = is_released & Q(reservation__resolved_at__gt=F("reservation__submitted_at") + SHORT_HOLD)
    pools = Allocation.objects.filter(own, is_held).values_list("pool", flat=True)
    shares = (
        Allocation.objects.filter(is_held | ~own & (is_lapsed | was_long), reservation__held_until__gt=now - WINDOW)
        .filter(pool__in=list(pools), reservation__key__in=[*keys, donation.match_key])
        .values("pool_id", "pool__limit_minor")
        .annotate(all=Sum("amount_minor"), others=Sum("amount_minor", filter=~own), largest=Max("amount_minor"))
    )
    for row in shares:
        most_minor = max(row["pool__limit_minor"] * LARGEST_SHARE_PERCENT // 100, LEAST_SHARE_MINOR)
        counted_minor = row["all"] - (row["largest"] if row["largest"] > most_minor else 0)
        if not row["others"] or counted_minor <= most_minor:
            continue
        if counted_minor > most_minor + _earned(donation.source, pool_id=row["pool_id"], now=now):
            raise TooMuchHeld(f"unpaid gifts of {donation.source} hold {row['all']} of pool {row['pool_id']}")


def refuse_another_hold(donation: Donation) -> None:
    """Raise TooMuchHeld when a gift was held MOST_HOLDS_OF_A_GIFT times and never paid. One query."""
    if Reservation.objects.filter(key=donation.match_key).count() >= MOST_HOLDS_OF_A_GIFT:
        raise TooMuchHeld(f"{donation.reference} was held {MOST_HOLDS_OF_A_GIFT} times and not paid")


def _earned(source: str, *, pool_id: int, now: datetime) -> int:
    """What a source may hold of a pool besides, in minor units: what its payments of the hour have matched there, and
    what its scheduled gifts hold, of each saved card the largest alone. Three queries."""
    near = Donation.objects.filter(source=source)
    paid = near.filter(state=Donation.State.PAID, paid_at__gt=now - WINDOW).values_list("match_key", "match_key")
    waiting = near.filter(_WAITS_FOR_ITS_DAY).exclude(card="").values_list("match_key", "card")
    whose: dict[UUID, UUID | str] = dict(paid) | dict(waiting)
    live = Allocation.objects.filter(pool_id=pool_id, reservation__state__in=["held", "committed"])
    largest: Counter[UUID | str] = Counter()
    sums = live.filter(reservation__key__in=whose).values_list("reservation__key").annotate(sum=Sum("amount_minor"))
    for key, sum_minor in sums:
        largest[whose[key]] = max(largest[whose[key]], sum_minor)
    return largest.total()


def hold_lasts(*, campaign_id: int, now: datetime) -> timedelta | None:
    """How long a new hold lasts before Give is pressed: None for the usual time, SHORT_HOLD while very much is held.

    Forms that nobody pays, from however many places, then give the match back three times as soon. One query.
    """
    pools = MatchPool.objects.filter(campaign_id=campaign_id)
    sums = pools.aggregate(limit=Sum("limit_minor"), held=Sum("held_minor"))
    is_much = (sums["held"] or 0) * 100 > (sums["limit"] or 0) * MUCH_HELD_PERCENT
    return min(SHORT_HOLD, timedelta(seconds=settings.HOLD_SECONDS)) if is_much else None


def _unpaid(now: datetime) -> QuerySet[Donation]:
    return Donation.objects.filter(state=Donation.State.STARTED, submitted_at__gt=now - LONGEST_UNPAID)


def _held(now: datetime) -> QuerySet[Allocation]:
    return Allocation.objects.filter(reservation__state=Reservation.State.HELD, reservation__held_until__gt=now)
