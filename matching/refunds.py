"""What refunds and lost disputes leave of a gift's match (design 3.6): always from the total refunded so far."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from matching.allocation import kept_after_refund
from matching.holds import NoReservation
from matching.ledger import STRIPE, Move, busy_when_locked, lock_pools, post
from matching.models import Allocation, MatchPool, Reservation, terms_by_id
from matching.standing import donor_used, room_under_caps
from matching.waiting import make_room_under_caps, queue_again


class RefundSettled(NamedTuple):
    """A gift's match after its refunds. short_minor: what a restored match lacks, since others have the money."""

    match_minor: int
    short_minor: int


@transaction.atomic
def settle_refund(*, key: UUID, refunded_minor: int, now: datetime, actor: str = STRIPE) -> RefundSettled:
    """Make a gift's match agree with the total refunded on it so far (design 3.6).

    refunded_minor: of the gift itself, in total, 0 or more; covered fees don't count. Computed from the allocations
    as they were made, so any split or order of refunds ends the same and a repeat writes nothing. Less than before (a
    refund that failed) restores what free money and the caps allow; what is missing waits for money that comes free.
    Locks the reservation, then its pools and those it waits for. Raises NoReservation when nothing is committed under
    the key; PoolsBusy.
    """
    reservation = lock_committed(key)
    allocations = list(reservation.allocations.all())
    waits_for = reservation.waiting.values_list("pool_id", flat=True)  # so that room under a cap is not missed there
    pools = lock_pools([*(row.pool_id for row in allocations), *waits_for])
    free = {pool.pk: pool.free_minor for pool in pools.values()}
    used = donor_used(donor_key=reservation.donor_key, pool_ids=_capped(allocations))
    before_minor = reservation.refunded_minor
    reservation.refunded_minor = min(refunded_minor, reservation.amount_minor)
    if reservation.refunded_minor != before_minor:
        reservation.save(update_fields=["refunded_minor"])
    moves, short_minor = [], 0
    for allocation in allocations:
        used_minor = used.get(allocation.pool_id, 0)
        room = room_under_caps(allocation, allocations=allocations, used_minor=used_minor)
        change, short = change_after_refund(
            allocation, remaining_minor=reservation.remaining_minor, room_minor=min(room, free[allocation.pool_id])
        )
        free[allocation.pool_id] -= change
        used[allocation.pool_id] = used_minor + change
        short_minor += short
        allocation.reversed_minor -= change
        if change:
            reason = "restore" if change > 0 else "reverse"
            moves.append(Move(pools[allocation.pool_id], reason, abs(change), allocation, reservation.reference))
    post(moves, actor=actor, now=now)
    if moves or reservation.refunded_minor != before_minor:
        make_room_under_caps((move.pool.pk, reservation.donor_key) for move in moves if move.reason == "reverse")
        queue_again(reservation, given=allocations)
    return RefundSettled(kept(allocations), short_minor)


def lock_ahead(*, campaign_id: int) -> None:
    """Lock every pool of the campaign, for a transaction that commits a gift and settles its refunds as well.

    The commit alone would lock the pools that gave, the refund then those that the gift waits for: out of order, and
    two such gifts could wait for each other. Raises PoolsBusy.
    """
    lock_pools(MatchPool.objects.filter(campaign=campaign_id).values_list("pk", flat=True))


def _capped(allocations: Iterable[Allocation]) -> list[int]:
    """The pools among these that have a cap per donor."""
    return [row.pool_id for row in allocations if terms_by_id(row.terms_id).cap_per_donor_minor is not None]


def change_after_refund(allocation: Allocation, *, remaining_minor: int, room_minor: int) -> tuple[int, int]:
    """By how much an allocation changes (below zero: goes back), and what it lacks since there is no more room.

    room_minor: what its pool's money and caps leave, 0 or more.
    """
    target = kept_after_refund(
        allocation.amount_minor, basis_minor=allocation.basis_minor, remaining_minor=remaining_minor
    )
    change = min(target - allocation.kept_minor, room_minor)
    return change, target - allocation.kept_minor - change


def lock_committed(key: UUID) -> Reservation:
    """The committed reservation of a gift, locked before its pools. Raises NoReservation; PoolsBusy."""
    committed = Reservation.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    with busy_when_locked(f"the match of gift {key}"):
        reservation = committed.filter(key=key, state=Reservation.State.COMMITTED).first()
    if reservation is None:
        raise NoReservation(str(key))
    return reservation


def kept(allocations: Iterable[Allocation]) -> int:
    return sum(row.kept_minor for row in allocations)
