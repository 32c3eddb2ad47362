"""Holding sponsors' money for a gift, and what becomes of the hold.

    hold -> commit | release | expire        each once; a second resolution raises and writes nothing

What comes after: refunds.py (a gift is refunded), late_gifts.py (paid after its hold, by cheque, or corrected),
offers.py (freed money for gifts that had too little). Locks: pools by primary key, then reservations that are HELD;
but a COMMITTED reservation first, then pools, since only refunds, offers and corrections lock those.

Every function is one short transaction that locks pools first, then writes; none makes a network call. A lapsed
hold counts as free for the next donor whether or not the sweep has seen it: hold() expires it on the way.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest, Least

from campaign.models import Campaign
from matching.allocation import Bound, Part, Share, consider
from matching.ledger import DONOR, STRIPE, SYSTEM, Move, lock_pools, post
from matching.models import Allocation, MatchPool, PoolTerms, Reservation
from matching.standing import pool_states
from matching.waiting import make_room_under_caps, pools_short_of_cap, queue

LONGEST_HOLD = timedelta(days=14)  # a bank debit can take four business days and fail later
_SWEEP = 200  # lapsed holds that one donor's request clears at most
_CLOSED_BY_TERMS = frozenset({Bound.WINDOW, Bound.MINIMUM, Bound.OTHER_FUND, Bound.OFFLINE, Bound.PAUSED, Bound.LOCKED})


class KeyReused(Exception):
    """The key came before with another amount, fund or donor."""


class NoReservation(Exception):
    """Nothing was ever held under this key."""


class HoldResolved(Exception):
    """The hold was resolved before; `reservation` is as it stands. Nothing was written."""

    def __init__(self, reservation: Reservation) -> None:
        super().__init__(f"{reservation.reference} is already {reservation.state}")
        self.reservation = reservation


class HoldAlreadyCommitted(HoldResolved):
    pass


class HoldAlreadyReleased(HoldResolved):
    pass


class HoldAlreadyExpired(HoldResolved):
    pass


class HoldAlreadyVoided(HoldResolved):
    """The gift was corrected; another reservation, under another key, took this one's place."""


_RESOLVED = {
    Reservation.State.COMMITTED: HoldAlreadyCommitted,
    Reservation.State.RELEASED: HoldAlreadyReleased,
    Reservation.State.EXPIRED: HoldAlreadyExpired,
    Reservation.State.VOIDED: HoldAlreadyVoided,
}


@dataclass(frozen=True, slots=True)
class Gift:
    """A gift as matching knows it. parts: 1..n with distinct funds; amounts in minor units, without covered fees.

    submitted_at: aware; windows are judged by it. key and donor_key are the caller's, opaque here.
    """

    key: UUID
    donor_key: str
    parts: tuple[Part, ...]
    submitted_at: datetime
    offline: bool = False

    @property
    def amount_minor(self) -> int:
        return sum(part.amount_minor for part in self.parts)

    @classmethod
    def of(cls, reservation: Reservation) -> "Gift":
        """The gift that a reservation was made for."""
        return cls(
            key=reservation.key,
            donor_key=reservation.donor_key,
            parts=tuple(Part(fund_id, amount_minor) for fund_id, amount_minor in reservation.parts),
            submitted_at=reservation.submitted_at,
            offline=reservation.is_offline,
        )

    def parts_as_stored(self) -> list[list[int]]:
        return [[int(str(part.fund)), part.amount_minor] for part in self.parts]


P = ParamSpec("P")
Answer = TypeVar("Answer")


def answer_from_the_first(function: Callable[P, Answer]) -> Callable[P, Answer]:
    """For what makes a gift's live reservation: asked twice at one moment, both callers get the one that was made.

    The database lets one through. The other writes nothing, runs once more, finds that reservation, and answers as to
    any repeat. Outside of transaction.atomic, so that the second run sees what the first could not.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return function(*args, **kwargs)
        except IntegrityError as error:
            if "one_live_reservation_per_gift" not in str(error):
                raise
        return function(*args, **kwargs)

    return run


@answer_from_the_first
@transaction.atomic
def hold(*, campaign_id: int, gift: Gift, now: datetime) -> Reservation:
    """Hold sponsors' money for one gift, before the card is charged.

    gift.key: made by the caller; a repeat returns the live reservation unchanged, while one that was released or
    lapsed is held anew. now: aware; the hold lapses HOLD_SECONDS later. The rules are those at gift.submitted_at.
    Returns a reservation with 0..n allocations in pool order. No money left is an empty one, not an error.
    Raises KeyReused if the key came before with another amount, fund or donor; HoldAlreadyVoided; PoolsBusy.
    One transaction; locks the pools that could give, by primary key. Makes no network call.
    """
    earlier = Reservation.objects.filter(key=gift.key).order_by("-id").first()
    if earlier is not None:
        _refuse_another_gift(earlier, gift)
        if earlier.state == Reservation.State.VOIDED:
            raise HoldAlreadyVoided(earlier)
        if earlier.state == Reservation.State.COMMITTED or earlier.is_held_at(now):
            return earlier
    until = now + timedelta(seconds=settings.HOLD_SECONDS)
    return reserve(campaign_id=campaign_id, gift=gift, now=now, held_until=until, as_of=gift.submitted_at, actor=DONOR)


@transaction.atomic
def commit(*, key: UUID, now: datetime, actor: str = STRIPE) -> Reservation:
    """The gift was paid: its held money is matched for good.

    A hold past its time that nobody has expired still stands: the donor was shown that money and it is there.
    Raises HoldAlreadyCommitted, HoldAlreadyReleased, HoldAlreadyExpired, NoReservation; PoolsBusy.
    """
    return resolve(key=key, state=Reservation.State.COMMITTED, reason="commit", now=now, actor=actor)


@transaction.atomic
def release(*, key: UUID, now: datetime, actor: str = STRIPE) -> Reservation:
    """The payment failed or was cancelled: its held money is free again. Raises like commit()."""
    return resolve(key=key, state=Reservation.State.RELEASED, reason="release", now=now, actor=actor)


def extend(*, key: UUID, until: datetime, longest: timedelta = LONGEST_HOLD) -> bool:
    """Keep a hold while its payment is under way (3-D Secure, bank debit); never shortens it.

    until: aware, cut to `longest` after the hold began, however often it is asked for: a payment that never ends
    must not keep the money from others. Returns False when the hold was resolved or expired before.
    One statement, so no transaction of its own; takes no pool's lock.
    """
    latest = Least(Value(until), F("submitted_at") + longest)
    held = Reservation.objects.filter(key=key, state=Reservation.State.HELD)
    return held.update(held_until=Greatest(F("held_until"), latest)) > 0


def expire_lapsed(*, now: datetime, limit: int = 500) -> int:
    """Expire holds whose time is over, each in a transaction of its own; harmless when run twice at once.

    Returns how many this call expired. Availability does not wait for it; it keeps the ledger's story current.
    """
    expired = 0
    for reservation in Reservation.objects.lapsed(now=now).order_by("held_until")[:limit]:
        with transaction.atomic():
            pools = lock_pools(reservation.allocations.values_list("pool_id", flat=True))
            expired += _expire([reservation.pk], pools=pools, now=now)
    return expired


def reserve(
    *, campaign_id: int, gift: Gift, now: datetime, held_until: datetime, as_of: datetime | None, actor: str
) -> Reservation:
    """Hold what the pools give to this gift, under its rules at `as_of` (None: now); for hold() and late_gifts.

    Runs in the caller's transaction; locks the pools that could give. Raises PoolsBusy.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    pools = _lock_givers(campaign, gift=gift, now=now, as_of=as_of)
    terms = {pool.pk: pool.terms_at(as_of) for pool in pools}
    states = pool_states(
        pools, campaign=campaign, terms=terms, donor_key=gift.donor_key, submitted_at=gift.submitted_at
    )
    shares = consider(parts=gift.parts, submitted_at=gift.submitted_at, offline=gift.offline, pools=states)
    reservation = Reservation.objects.create(
        campaign_id=campaign_id,
        key=gift.key,
        donor_key=gift.donor_key,
        amount_minor=gift.amount_minor,
        parts=gift.parts_as_stored(),
        is_offline=gift.offline,
        submitted_at=gift.submitted_at,
        held_until=held_until,
        explanation=[
            [share.part_index, share.pool_id, terms[share.pool_id].version, share.match_minor, share.bound]
            for share in shares
        ],
    )
    _hold_shares(reservation, shares=shares, pools=pools, terms=terms, actor=actor, now=now)
    return reservation


def _hold_shares(
    reservation: Reservation,
    *,
    shares: Sequence[Share],
    pools: Sequence[MatchPool],
    terms: dict[int, PoolTerms],
    actor: str,
    now: datetime,
) -> None:
    by_id = {pool.pk: pool for pool in pools}
    allocations = Allocation.objects.bulk_create(
        Allocation(
            reservation=reservation,
            pool=by_id[share.pool_id],
            terms=terms[share.pool_id],
            part_index=share.part_index,
            basis_minor=reservation.amount_minor,
            fund_id=reservation.parts[share.part_index][0],
            amount_minor=share.match_minor,
        )
        for share in shares
        if share.match_minor
    )
    moves = [Move(row.pool, "hold", row.amount_minor, row, reservation.reference) for row in allocations]
    post(moves, actor=actor, now=now)


def _lock_givers(campaign: Campaign, *, gift: Gift, now: datetime, as_of: datetime | None) -> list[MatchPool]:
    """Every pool of the campaign; the ones whose terms could give are locked, fresh, and rid of lapsed holds."""
    pools = {pool.pk: pool for pool in MatchPool.objects.filter(campaign=campaign, current_terms__isnull=False)}
    terms = {pk: pool.terms_at(as_of) for pk, pool in pools.items()}
    closes_at = campaign.closes_at
    states = [
        terms[pk].state(
            campaign_closes_at=closes_at,
            free_minor=1,
            stopped=pool.is_stopped,
            unlocked_at=pool.unlocked_at,
            submitted_at=gift.submitted_at,
        )
        for pk, pool in pools.items()
    ]
    shares = consider(parts=gift.parts, submitted_at=gift.submitted_at, offline=gift.offline, pools=states)
    givers = {share.pool_id for share in shares if share.bound not in _CLOSED_BY_TERMS}
    touching = Q(allocations__pool_id__in=givers)
    all_lapsed = Reservation.objects.lapsed(now=now)
    own = list(all_lapsed.filter(key=gift.key))  # one live reservation per gift: the new one needs its place
    lapsed = [*own, *all_lapsed.filter(touching).exclude(key=gift.key).distinct().order_by("held_until")[:_SWEEP]]
    others = Allocation.objects.filter(reservation__in=lapsed).values_list("pool_id", flat=True) if lapsed else []
    locked = lock_pools({*givers, *others})
    if lapsed and _expire([reservation.pk for reservation in lapsed], pools=locked, now=now):
        locked = lock_pools(locked)
    return list({**pools, **{pk: pool for pk, pool in locked.items() if pk in pools}}.values())


def _expire(reservation_ids: Iterable[int], *, pools: dict[int, MatchPool], now: datetime) -> int:
    """Expire those of these holds that are still lapsed; all their pools must be locked. Returns how many.

    Locks the reservations before it reads what they hold: extend() may be keeping one of them this moment, and it
    asks for no pool.
    """
    lapsed = Reservation.objects.lapsed(now=now).filter(pk__in=list(reservation_ids)).order_by("pk")
    ids = list(lapsed.select_for_update(no_key=True).values_list("pk", flat=True))
    expired = Reservation.objects.filter(pk__in=ids).update(state=Reservation.State.EXPIRED, resolved_at=now)
    rows = list(Allocation.objects.filter(reservation__in=ids).select_related("reservation"))
    make_room_under_caps((row.pool_id, row.reservation.donor_key) for row in rows)
    moves = [Move(pools[row.pool_id], "expire", row.amount_minor, row, row.reservation.reference) for row in rows]
    post(moves, actor=SYSTEM, now=now)
    return expired


def resolve(*, key: UUID, state: Reservation.State, reason: str, now: datetime, actor: str) -> Reservation:
    """Resolve the hold of a gift, once; for commit(), release() and late_gifts, which say what it raises."""
    reservation = latest(key)
    allocations = list(reservation.allocations.all())  # before the lock: what a hold gives never changes
    capped = pools_short_of_cap(reservation) if state == Reservation.State.COMMITTED else []
    pools = lock_pools([*(row.pool_id for row in allocations), *capped])
    held = Reservation.objects.filter(pk=reservation.pk, state=Reservation.State.HELD)
    if not held.update(state=state, resolved_at=now):
        reservation.refresh_from_db()
        raise _RESOLVED[Reservation.State(reservation.state)](reservation)
    reservation.state, reservation.resolved_at = state, now
    moves = [Move(pools[row.pool_id], reason, row.amount_minor, row, reservation.reference) for row in allocations]
    post(moves, actor=actor, now=now)
    if state == Reservation.State.COMMITTED:
        queue(reservation, given=allocations)
    else:
        make_room_under_caps((row.pool_id, reservation.donor_key) for row in allocations)
    return reservation


def latest(key: UUID) -> Reservation:
    """The newest reservation of a gift. Raises NoReservation."""
    reservation = Reservation.objects.filter(key=key).order_by("-id").first()
    if reservation is None:
        raise NoReservation(str(key))
    return reservation


def _refuse_another_gift(reservation: Reservation, gift: Gift) -> None:
    if reservation.parts != gift.parts_as_stored() or reservation.donor_key != gift.donor_key:
        raise KeyReused(f"{gift.key} was held for another amount, fund or donor")
