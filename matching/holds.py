"""Holding sponsors' money for a gift, and what becomes of the hold.

    hold -> commit | release | expire        each once; a second resolution raises and writes nothing
    commit -> settle_refund                  any number of times, always from the total refunded

Every function is one short transaction that locks pools first, then writes; none makes a network call. A lapsed
hold counts as free for the next donor whether or not the sweep has seen it: hold() expires it on the way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum, Value
from django.db.models.functions import Greatest, Least

from campaign.models import Campaign
from matching.allocation import Bound, Part, PoolState, Share, consider, kept_after_refund
from matching.ledger import DONOR, STRIPE, SYSTEM, Move, lock_pools, post
from matching.models import Allocation, MatchPool, PoolTerms, Reservation

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


_RESOLVED = {
    Reservation.State.COMMITTED: HoldAlreadyCommitted,
    Reservation.State.RELEASED: HoldAlreadyReleased,
    Reservation.State.EXPIRED: HoldAlreadyExpired,
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

    def parts_as_stored(self) -> list[list[int]]:
        return [[int(str(part.fund)), part.amount_minor] for part in self.parts]


@transaction.atomic
def hold(*, campaign_id: int, gift: Gift, now: datetime) -> Reservation:
    """Hold sponsors' money for one gift, before the card is charged.

    gift.key: made by the caller; a repeat returns the live reservation unchanged, while one that was released or
    lapsed is held anew. now: aware; the hold lapses HOLD_SECONDS later.
    Returns a reservation with 0..n allocations in pool order. No money left is an empty one, not an error.
    Raises KeyReused if the key came before with another amount, fund or donor; PoolsBusy.
    One transaction; locks the pools that could give, by primary key. Makes no network call.
    """
    earlier = Reservation.objects.filter(key=gift.key).order_by("-id").first()
    if earlier is not None:
        _refuse_another_gift(earlier, gift)
        if earlier.state == Reservation.State.COMMITTED or earlier.is_held_at(now):
            return earlier
    until = now + timedelta(seconds=settings.HOLD_SECONDS)
    return _reserve(campaign_id=campaign_id, gift=gift, now=now, held_until=until, as_of=None, actor=DONOR)


@transaction.atomic
def commit(*, key: UUID, now: datetime, actor: str = STRIPE) -> Reservation:
    """The gift was paid: its held money is matched for good.

    A hold past its time that nobody has expired still stands: the donor was shown that money and it is there.
    Raises HoldAlreadyCommitted, HoldAlreadyReleased, HoldAlreadyExpired, NoReservation; PoolsBusy.
    """
    return _resolve(key=key, state=Reservation.State.COMMITTED, reason="commit", now=now, actor=actor)


@transaction.atomic
def release(*, key: UUID, now: datetime, actor: str = STRIPE) -> Reservation:
    """The payment failed or was cancelled: its held money is free again. Raises like commit()."""
    return _resolve(key=key, state=Reservation.State.RELEASED, reason="release", now=now, actor=actor)


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


@transaction.atomic
def match_late(*, key: UUID, now: datetime, actor: str = STRIPE) -> tuple[Reservation, int]:
    """A payment succeeded after its hold lapsed or was released: match it again from free money (design 3.4).

    The rules are the ones that stood when the gift was submitted. Returns the reservation that now stands,
    committed, and the shortfall in minor units against what had been held (0 or more). A gift whose hold still
    stands is committed as it is. Raises NoReservation; HoldAlreadyCommitted; PoolsBusy.
    """
    earlier = _latest(key)
    if earlier.state == Reservation.State.HELD:
        return commit(key=key, now=now, actor=actor), 0
    if earlier.state == Reservation.State.COMMITTED:
        raise HoldAlreadyCommitted(earlier)
    gift = Gift(
        key=key,
        donor_key=earlier.donor_key,
        parts=tuple(Part(fund, amount) for fund, amount in earlier.parts),
        submitted_at=earlier.submitted_at,
        offline=earlier.is_offline,
    )
    _reserve(campaign_id=earlier.campaign_id, gift=gift, now=now, held_until=now, as_of=gift.submitted_at, actor=actor)
    matched = _resolve(key=key, state=Reservation.State.COMMITTED, reason="commit", now=now, actor=actor)
    shown = sum(allocation.amount_minor for allocation in earlier.allocations.all())
    return matched, max(0, shown - matched.match_minor)


class RefundSettled(NamedTuple):
    """A gift's match after its refunds. short_minor: what a restored match lacks, since others have the money."""

    match_minor: int
    short_minor: int


@transaction.atomic
def settle_refund(*, key: UUID, refunded_minor: int, now: datetime, actor: str = STRIPE) -> RefundSettled:
    """Make a gift's match agree with the total refunded on it so far (design 3.6).

    refunded_minor: of the gift itself, in total, 0 or more; covered fees don't count. Computed from the original
    allocations, so any split or order of refunds ends the same and a repeat writes nothing. Less than before (a
    refund that failed) restores what free money allows.
    Raises NoReservation when nothing is committed under the key; PoolsBusy.
    """
    reservation = Reservation.objects.filter(key=key, state=Reservation.State.COMMITTED).first()
    if reservation is None:
        raise NoReservation(str(key))
    pools = lock_pools(reservation.allocations.values_list("pool_id", flat=True))
    free = {pool.pk: pool.free_minor for pool in pools.values()}
    moves, match_minor, short_minor = [], 0, 0
    for allocation in reservation.allocations.all():
        target = kept_after_refund(
            allocation.amount_minor, gift_minor=reservation.amount_minor, refunded_minor=refunded_minor
        )
        change = min(target - allocation.kept_minor, free[allocation.pool_id])
        free[allocation.pool_id] -= change
        match_minor += allocation.kept_minor + change
        short_minor += target - allocation.kept_minor - change
        if change:
            reason = "restore" if change > 0 else "reverse"
            pool = pools[allocation.pool_id]
            moves.append(Move(pool, reason, abs(change), allocation, reservation.reference))
    post(moves, actor=actor, now=now)
    return RefundSettled(match_minor, short_minor)


def _reserve(
    *, campaign_id: int, gift: Gift, now: datetime, held_until: datetime, as_of: datetime | None, actor: str
) -> Reservation:
    campaign = Campaign.objects.get(pk=campaign_id)
    pools = _lock_givers(campaign, gift=gift, now=now, as_of=as_of)
    terms = {pool.pk: _terms(pool, as_of=as_of) for pool in pools}
    states = _states(pools, campaign=campaign, terms=terms, donor_key=gift.donor_key)
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
    terms = {pk: _terms(pool, as_of=as_of) for pk, pool in pools.items()}
    closes_at = campaign.closes_at
    states = [
        terms[pk].state(campaign_closes_at=closes_at, free_minor=1, stopped=pool.is_stopped)
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
    moves = [Move(pools[row.pool_id], "expire", row.amount_minor, row, row.reservation.reference) for row in rows]
    post(moves, actor=SYSTEM, now=now)
    return expired


def _resolve(*, key: UUID, state: Reservation.State, reason: str, now: datetime, actor: str) -> Reservation:
    reservation = _latest(key)
    allocations = list(reservation.allocations.all())  # before the lock: what a hold gives never changes
    pools = lock_pools(row.pool_id for row in allocations)
    held = Reservation.objects.filter(pk=reservation.pk, state=Reservation.State.HELD)
    if not held.update(state=state, resolved_at=now):
        reservation.refresh_from_db()
        raise _RESOLVED[Reservation.State(reservation.state)](reservation)
    reservation.state, reservation.resolved_at = state, now
    moves = [Move(pools[row.pool_id], reason, row.amount_minor, row, reservation.reference) for row in allocations]
    post(moves, actor=actor, now=now)
    return reservation


def _states(
    pools: Sequence[MatchPool], *, campaign: Campaign, terms: dict[int, PoolTerms], donor_key: str
) -> list[PoolState]:
    capped = [pool.pk for pool in pools if terms[pool.pk].cap_per_donor_minor is not None]
    used = donor_used(donor_key=donor_key, pool_ids=capped)
    return [
        terms[pool.pk].state(
            campaign_closes_at=campaign.closes_at,
            free_minor=pool.free_minor,
            donor_used_minor=used.get(pool.pk, 0),
            stopped=pool.is_stopped,
        )
        for pool in pools
    ]


def donor_used(*, donor_key: str, pool_ids: Sequence[int]) -> dict[int, int]:
    """What a donor has from these pools now, held or matched, in minor units by pool id; absent means nothing."""
    if not pool_ids or not donor_key:
        return {}
    rows = (
        Allocation.objects.filter(
            pool_id__in=pool_ids,
            reservation__donor_key=donor_key,
            reservation__state__in=[Reservation.State.HELD, Reservation.State.COMMITTED],
        )
        .values("pool_id")
        .annotate(used_minor=Sum(F("amount_minor") - F("reversed_minor")))
    )
    return {row["pool_id"]: row["used_minor"] for row in rows}


def _terms(pool: MatchPool, *, as_of: datetime | None) -> PoolTerms:
    """The pool's terms now, or as they stood at a moment; before the first version, the first."""
    if as_of is None or pool.terms.created_at <= as_of:
        return pool.terms
    versions = list(pool.terms_versions.order_by("version"))
    return next((row for row in reversed(versions) if row.created_at <= as_of), versions[0])


def _latest(key: UUID) -> Reservation:
    reservation = Reservation.objects.filter(key=key).order_by("-id").first()
    if reservation is None:
        raise NoReservation(str(key))
    return reservation


def _refuse_another_gift(reservation: Reservation, gift: Gift) -> None:
    if reservation.parts != gift.parts_as_stored() or reservation.donor_key != gift.donor_key:
        raise KeyReused(f"{gift.key} was held for another amount, fund or donor")
