"""Holding sponsors' money for a gift, and what becomes of the hold.

    hold -> commit | release | expire        each once; a second resolution raises and writes nothing

What comes after: refunds.py (a gift is refunded), late_gifts.py (paid after its hold, by cheque, or corrected),
offers.py (freed money for gifts that had too little). Locks: pools by primary key, then reservations that are HELD;
but a COMMITTED reservation first, then pools, since only refunds, offers and corrections lock those.

A hold is worked out from one reading of the pools, without a lock, and written by one statement that locks them, looks
whether what was read is still so, and writes (matching/functions.py). If it is not so, nothing was written, and the
exact way answers: lock, read, work out, write (reserve()). None of it makes a network call. A lapsed hold counts as
free for the next donor whether or not the sweep has seen it: hold() expires it on the way.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest, Least

from matching.allocation import Bound, Part, Share, consider
from matching.functions import resolve_newest, write_hold, write_resolution
from matching.ledger import DONOR, STRIPE, SYSTEM, lock_pools
from matching.models import Allocation, Reservation, WaitingGift
from matching.standing import GiftStanding, read_standing
from matching.waiting import MAY_CHANGE, waiting_rows

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


class HeldMeanwhile(Exception):
    """Someone else held the same gift at this moment; nothing was written. answer_from_the_first() tries again."""


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
        except HeldMeanwhile:
            return function(*args, **kwargs)

    return run


@answer_from_the_first
def hold(*, campaign_id: int, gift: Gift, now: datetime, lasts: timedelta | None = None) -> Reservation:
    """Hold sponsors' money for one gift, before the card is charged.

    gift.key: made by the caller; a repeat returns the live reservation unchanged, while one that was released or
    lapsed is held anew. now: aware; the hold lapses HOLD_SECONDS later, or `lasts` later. The rules are
    those at gift.submitted_at.
    Returns a reservation with 0..n allocations in pool order. No money left is an empty one, not an error.
    Raises KeyReused if the key came before with another amount, fund or donor; HoldAlreadyVoided; PoolsBusy.
    One transaction; locks the pools that give, by primary key. Makes no network call.
    """
    until = now + (timedelta(seconds=settings.HOLD_SECONDS) if lasts is None else lasts)
    return _hold_at_once(campaign_id=campaign_id, gift=gift, now=now, held_until=until) or _hold_exactly(
        campaign_id=campaign_id, gift=gift, now=now, held_until=until
    )


def commit(*, key: UUID, now: datetime, actor: str = STRIPE) -> Reservation:
    """The gift was paid: its held money is matched for good, and it waits for what the pools lacked.

    A hold past its time that nobody has expired still stands: the donor was shown that money and it is there.
    Raises HoldAlreadyCommitted, HoldAlreadyReleased, HoldAlreadyExpired, NoReservation; PoolsBusy.
    """
    reservation, outcome = resolve_newest(
        key=key, state=Reservation.State.COMMITTED, unless_bound=MAY_CHANGE, actor=actor, now=now
    )
    if reservation is not None and outcome == "short":
        return _commit_and_queue(reservation, now=now, actor=actor)
    return _resolved(reservation, key=key, is_done=outcome == "resolved")


def release(*, key: UUID, now: datetime, actor: str = STRIPE) -> Reservation:
    """The payment failed or was cancelled: its held money is free again. Raises like commit()."""
    reservation, outcome = resolve_newest(
        key=key, state=Reservation.State.RELEASED, unless_bound=(), actor=actor, now=now
    )
    return _resolved(reservation, key=key, is_done=outcome == "resolved")


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
    Raises PoolsBusy: what was expired before it stays.
    """
    lapsed = Reservation.objects.lapsed(now=now).order_by("held_until").values_list("pk", flat=True)[:limit]
    return _expire(list(lapsed), now=now)


@transaction.atomic
def reserve(*, campaign_id: int, gift: Gift, now: datetime, held_until: datetime, actor: str) -> Reservation:
    """Hold what the pools give to this gift, under the rules at gift.submitted_at: the exact way.

    Locks every pool that could give, by primary key, rids them of lapsed holds, reads them again and writes.
    Raises PoolsBusy; HeldMeanwhile.
    """
    first = _plan(campaign_id=campaign_id, gift=gift, now=now)
    lapsed = _lapsed_on(first.could_give, gift=gift, now=now)
    others = Allocation.objects.filter(reservation__in=lapsed).values_list("pool_id", flat=True) if lapsed else []
    locked = lock_pools({*first.could_give, *others})
    _expire(lapsed, now=now)
    fresh = _plan(campaign_id=campaign_id, gift=gift, now=now)
    # A pool that is not locked gives nothing, as it was: by now it may be open, and locking it would break the order.
    plan = _work_out(fresh.standing.only(locked, otherwise=first.standing), gift=gift)
    reservation = _write(plan, campaign_id=campaign_id, gift=gift, now=now, held_until=held_until, actor=actor)
    if reservation is None:
        raise HeldMeanwhile(str(gift.key))
    return reservation


@dataclass(frozen=True, slots=True)
class _Plan:
    """What every pool would give to a gift, and what was read for that."""

    standing: GiftStanding
    shares: list[Share]

    @property
    def could_give(self) -> set[int]:
        """The pools whose terms are met: what they give depends on money, on caps and on the other pools."""
        return {share.pool_id for share in self.shares if share.bound not in _CLOSED_BY_TERMS}

    @property
    def assumed(self) -> list[dict[str, object]]:
        """What must still be so of each pool that gives, when the shares are written."""
        taken: Counter[int] = Counter()
        for share in self.shares:
            taken[share.pool_id] += share.match_minor
        ran_out = {share.pool_id for share in self.shares if share.bound == Bound.RAN_OUT}
        return [
            {
                "pool_id": pool.id,
                "terms_id": pool.current_terms_id,
                "unlocked_at": pool.unlocked_at,
                "free_minor": pool.free_minor,
                "taken_minor": taken[pool.id],
                "ran_out": pool.id in ran_out,
                "used_minor": pool.used_minor if pool.terms.cap_per_donor_minor is not None else None,
            }
            for pool in self.standing.pools
            if taken[pool.id]
        ]


def _hold_at_once(*, campaign_id: int, gift: Gift, now: datetime, held_until: datetime) -> Reservation | None:
    """Work the hold out without a lock and write it if all is still so; None when the exact way must answer."""
    plan = _plan(campaign_id=campaign_id, gift=gift, now=now)
    is_plain = plan.standing.newest_id is None and not any(
        pool.has_lapsed for pool in plan.standing.pools if pool.id in plan.could_give
    )
    if not is_plain:
        return None
    return _write(plan, campaign_id=campaign_id, gift=gift, now=now, held_until=held_until, actor=DONOR)


@transaction.atomic
def _hold_exactly(*, campaign_id: int, gift: Gift, now: datetime, held_until: datetime) -> Reservation:
    earlier = Reservation.objects.filter(key=gift.key).order_by("-id").first()
    if earlier is not None:
        _refuse_another_gift(earlier, gift)
        if earlier.state == Reservation.State.VOIDED:
            raise HoldAlreadyVoided(earlier)
        if earlier.state == Reservation.State.COMMITTED or earlier.is_held_at(now):
            return earlier
    return reserve(campaign_id=campaign_id, gift=gift, now=now, held_until=held_until, actor=DONOR)


def _plan(*, campaign_id: int, gift: Gift, now: datetime) -> _Plan:
    standing = read_standing(
        campaign_id=campaign_id, gift_key=gift.key, donor_key=gift.donor_key, as_of=gift.submitted_at, now=now
    )
    return _work_out(standing, gift=gift)


def _work_out(standing: GiftStanding, *, gift: Gift) -> _Plan:
    states = standing.states(submitted_at=gift.submitted_at)
    shares = consider(parts=gift.parts, submitted_at=gift.submitted_at, offline=gift.offline, pools=states)
    return _Plan(standing, shares)


def _write(
    plan: _Plan, *, campaign_id: int, gift: Gift, now: datetime, held_until: datetime, actor: str
) -> Reservation | None:
    """The reservation of this plan; None when something of it has changed since it was read."""
    terms = {pool.id: pool.terms for pool in plan.standing.pools}
    parts = gift.parts_as_stored()
    reservation = Reservation(
        campaign_id=campaign_id,
        key=gift.key,
        donor_key=gift.donor_key,
        amount_minor=gift.amount_minor,
        parts=parts,
        is_offline=gift.offline,
        submitted_at=gift.submitted_at,
        held_until=held_until,
        explanation=[
            [share.part_index, share.pool_id, terms[share.pool_id].version, share.match_minor, str(share.bound)]
            for share in plan.shares
        ],
    )
    shares = [
        {
            "pool_id": share.pool_id,
            "terms_id": terms[share.pool_id].pk,
            "part_index": share.part_index,
            "fund_id": parts[share.part_index][0],
            "amount_minor": share.match_minor,
        }
        for share in plan.shares
        if share.match_minor
    ]
    is_written = write_hold(
        reservation,
        newest_id=plan.standing.newest_id,
        assumed=plan.assumed,
        shares=shares,
        actor=actor,
        now=now,
    )
    return reservation if is_written else None


def _lapsed_on(pool_ids: Collection[int], *, gift: Gift, now: datetime) -> list[int]:
    """Lapsed holds that keep money of these pools, the oldest first, and the gift's own, whose place is needed."""
    lapsed = Reservation.objects.lapsed(now=now)
    touching = lapsed.filter(allocations__pool_id__in=pool_ids).exclude(key=gift.key).distinct().order_by("held_until")
    return [reservation.pk for reservation in [*lapsed.filter(key=gift.key), *touching[:_SWEEP]]]


def _expire(reservation_ids: Collection[int], *, now: datetime) -> int:
    """Expire those of these holds that are still lapsed: extend() may be keeping one this moment. Returns how many."""
    expired = Reservation.State.EXPIRED
    return sum(write_resolution(reservation_id=pk, state=expired, actor=SYSTEM, now=now) for pk in reservation_ids)


def _commit_and_queue(reservation: Reservation, *, now: datetime, actor: str) -> Reservation:
    """Commit a hold that some pool gave too little to, and let it wait for more.

    Who waits for room under the donor's cap is found under the locks: room that is made this moment must not be missed.
    """
    given = list(reservation.allocations.all())
    short = {pool_id for _, pool_id, _, _, bound in reservation.explanation if bound in MAY_CHANGE}
    rows = waiting_rows(reservation, given=given, pool_ids=short)
    if not any(row.waits_for == WaitingGift.WaitsFor.DONOR_CAP for row in rows):
        return _commit(reservation, waiting=rows, now=now, actor=actor)
    with transaction.atomic():
        # Not those that were closed to the gift: within match_late() the others are locked already, in order of key.
        closed = {pool_id for _, pool_id, _, _, bound in reservation.explanation if bound in _CLOSED_BY_TERMS}
        lock_pools({*(short - closed), *(row.pool_id for row in given)})
        rows = waiting_rows(reservation, given=given, pool_ids=short)
        return _commit(reservation, waiting=rows, now=now, actor=actor)


def _commit(reservation: Reservation, *, waiting: Sequence[WaitingGift], now: datetime, actor: str) -> Reservation:
    done = write_resolution(
        reservation_id=reservation.pk,
        state=Reservation.State.COMMITTED,
        actor=actor,
        now=now,
        waiting=[{"pool_id": row.pool_id, "waits_for": row.waits_for} for row in waiting],
    )
    if done:
        reservation.state, reservation.resolved_at = Reservation.State.COMMITTED, now
    return _resolved(reservation, key=reservation.key, is_done=done)


def _resolved(reservation: Reservation | None, *, key: UUID, is_done: bool) -> Reservation:
    """The reservation if it was resolved this time; else raises what became of it before."""
    if reservation is None:
        raise NoReservation(str(key))
    if not is_done:
        reservation.refresh_from_db()
        raise _RESOLVED[Reservation.State(reservation.state)](reservation)
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
