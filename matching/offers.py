"""Money that comes free is offered to the paid gifts that had too little, the oldest first (design 3.5).

Lapsed holds, refunds, a larger limit, an unlocked challenge, a refund that failed: all end here, since all that any
of them does is to leave a pool with free money while gifts wait for it (waiting.py). Nothing has to tell this module
that money came free; it compares what is free with who waits. So nothing is lost when a process dies between the two,
and a batch that is killed has either happened or not.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from campaign.models import Campaign
from matching.allocation import Share, consider
from matching.ledger import SYSTEM, Move, busy_when_locked, lock_pools, post
from matching.models import Allocation, MatchPool, PoolPause, Reservation, WaitingGift
from matching.refunds import change_after_refund, kept
from matching.standing import pool_states, room_under_caps, used_under_caps
from matching.waiting import given_before, parts_left, rows_for

BATCH = 50


@dataclass(frozen=True, slots=True)
class Added:
    """Match that a paid gift got afterwards. added_minor > 0; match_minor: all it has now."""

    key: UUID
    added_minor: int
    match_minor: int


@dataclass(frozen=True, slots=True)
class OfferBatch:
    """added: 0..n, the oldest gift first. more: whether to come again at once, since gifts may still wait."""

    added: list[Added]
    more: bool


@dataclass(slots=True)
class _Desk:
    """One batch under its locks: what of the pools' money is left, and what will be written at the end."""

    campaign: Campaign
    pools: dict[int, MatchPool]  # locked: the gifts wait for them
    others: dict[int, MatchPool]  # not locked: the gifts only have something from them
    free: dict[int, int]
    used: Counter[tuple[int, str]]  # what donors have from pools with a cap: (pool, donor)
    pauses: list[PoolPause]
    allocations: list[Allocation] = field(default_factory=list)
    restored: list[Move] = field(default_factory=list)
    waiting: list[WaitingGift] = field(default_factory=list)


@transaction.atomic
def offer_batch(*, campaign_id: int, now: datetime, limit: int = BATCH) -> OfferBatch:
    """Give free money to the oldest paid gifts that would have had more; at most `limit` gifts.

    No gift's match is ever reduced. The rules are those that stood when each gift was sent; paused, halted and locked
    pools give nothing. One batch runs at a time for each campaign: a second one that comes meanwhile returns at once.
    One transaction; locks the campaign, the reservations, then their pools by primary key. Raises PoolsBusy.
    """
    campaign = _lock_campaign(campaign_id)
    if campaign is None:
        return OfferBatch([], more=False)
    in_line = _next_in_line(campaign, limit=limit)
    reservations = _lock_reservations(list(dict.fromkeys(in_line)))
    desk = _open_desk(campaign, reservations=reservations)
    added = [_serve(desk, reservation) for reservation in reservations]
    _write(desk, reservations=reservations, now=now)
    return OfferBatch([row for row in added if row.added_minor], more=len(in_line) == limit)


def _lock_campaign(campaign_id: int) -> Campaign | None:
    """The campaign, if it offers freed money and nobody else is offering it at this moment."""
    idle = Campaign.objects.select_for_update(no_key=True, skip_locked=True)
    return idle.filter(pk=campaign_id, offers_freed_match=True).first()


def _next_in_line(campaign: Campaign, *, limit: int) -> list[int]:
    """Reservations that wait for a pool which has money for them, by the age of the gift; once for each such pool."""
    with_money = MatchPool.objects.filter(campaign=campaign, free_minor__gt=0)
    ready = [pool.pk for pool in with_money if not (pool.is_stopped or pool.is_locked)]
    rows = WaitingGift.objects.filter(pool_id__in=ready, waits_for=WaitingGift.WaitsFor.MONEY)
    in_line = rows.order_by("submitted_at", "reservation_id").values_list("reservation_id", flat=True)
    return list(in_line[:limit])


def _lock_reservations(ids: Sequence[int]) -> list[Reservation]:
    """In the order of `ids`, with their campaigns and allocations as they stand now; none that was just corrected."""
    committed = Reservation.objects.filter(pk__in=ids, state=Reservation.State.COMMITTED)
    with busy_when_locked("gifts that wait for match"):
        rows = committed.select_for_update(no_key=True).order_by("pk")
        by_id = {row.pk: row for row in rows.prefetch_related("allocations", "waiting")}
    return [by_id[pk] for pk in ids if pk in by_id]


def _open_desk(campaign: Campaign, *, reservations: Sequence[Reservation]) -> _Desk:
    wanted = {row.pool_id for reservation in reservations for row in reservation.waiting.all()}
    locked = lock_pools(wanted)
    given_from = {row.pool_id for reservation in reservations for row in reservation.allocations.all()}
    others = MatchPool.objects.in_bulk(given_from - wanted) if given_from - wanted else {}
    for reservation in reservations:
        reservation.campaign = campaign
    free = {pk: 0 if pool.is_stopped or pool.is_locked else pool.free_minor for pk, pool in locked.items()}
    donor_keys = {reservation.donor_key for reservation in reservations}
    used = used_under_caps(donor_keys=donor_keys, pools=[*locked.values(), *others.values()])
    pauses = PoolPause.objects.filter(pool_id__in=[*locked, *others])
    return _Desk(campaign, locked, others, free, used, list(pauses))


def _serve(desk: _Desk, reservation: Reservation) -> Added:
    """What one gift gets of the money on the desk: first what a failed refund had cost it, then what it lacked."""
    allocations = list(reservation.allocations.all())
    restored = sum(_restore(desk, reservation, row, allocations=allocations) for row in allocations)
    shares = _shares(desk, reservation, allocations)
    latest_round = max((row.round for row in allocations), default=0)
    new = [
        Allocation(
            reservation=reservation,
            pool=desk.pools[share.pool_id],
            terms=desk.pools[share.pool_id].terms_at(reservation.submitted_at),
            part_index=share.part_index,
            round=latest_round + 1,
            basis_minor=reservation.remaining_minor,
            fund_id=reservation.parts[share.part_index][0],
            amount_minor=share.match_minor,
        )
        for share in shares
        if share.match_minor
    ]
    for row in new:
        _take(desk, pool_id=row.pool_id, donor_key=reservation.donor_key, amount_minor=row.amount_minor)
    desk.allocations += new
    desk.waiting += _still_waiting(desk, reservation, given=[*allocations, *new], served={row.pool_id for row in new})
    return Added(reservation.key, restored + kept(new), kept(allocations) + kept(new))


def _restore(
    desk: _Desk, reservation: Reservation, allocation: Allocation, *, allocations: Sequence[Allocation]
) -> int:
    free_minor = desk.free.get(allocation.pool_id, 0)
    change, _ = change_after_refund(allocation, remaining_minor=reservation.remaining_minor, room_minor=free_minor)
    if change <= 0:
        return 0
    used_minor = desk.used[allocation.pool_id, reservation.donor_key]
    change = min(change, room_under_caps(allocation, allocations=allocations, used_minor=used_minor))
    if not change:
        return 0
    _take(desk, pool_id=allocation.pool_id, donor_key=reservation.donor_key, amount_minor=change)
    allocation.reversed_minor -= change
    pool = desk.pools[allocation.pool_id]
    desk.restored.append(Move(pool, "restore", change, allocation, reservation.reference))
    return change


def _take(desk: _Desk, *, pool_id: int, donor_key: str, amount_minor: int) -> None:
    desk.free[pool_id] -= amount_minor
    if donor_key:  # gifts of nobody known are not added up
        desk.used[pool_id, donor_key] += amount_minor


def _shares(desk: _Desk, reservation: Reservation, allocations: Sequence[Allocation]) -> list[Share]:
    asked = [desk.pools[row.pool_id] for row in reservation.waiting.all() if row.waits_for == row.WaitsFor.MONEY]
    states = pool_states(
        asked,
        campaign=desk.campaign,
        terms={pool.pk: pool.terms_at(reservation.submitted_at) for pool in asked},
        donor_key=reservation.donor_key,
        submitted_at=reservation.submitted_at,
        used=desk.used,
    )
    return consider(
        parts=parts_left(reservation),
        submitted_at=reservation.submitted_at,
        offline=reservation.is_offline,
        pools=[replace(state, free_minor=desk.free[state.id]) for state in states],
        before=given_before(allocations),
        gift_minor=reservation.amount_minor,
    )


def _still_waiting(
    desk: _Desk, reservation: Reservation, *, given: Sequence[Allocation], served: Collection[int]
) -> list[WaitingGift]:
    """The gift's rows from now on. Who got nothing from a pool that still has money can get nothing there."""
    refused = {pk for pk, free_minor in desk.free.items() if free_minor and pk not in served}
    asked = {row.pool_id for row in reservation.waiting.all()} | {row.pool_id for row in given}
    asked -= {pause.pool_id for pause in desk.pauses if pause.covers(reservation.submitted_at)}
    pools = [pool for pk, pool in sorted({**desk.pools, **desk.others}.items()) if pk in asked]
    rows = rows_for(reservation, given=given, pools=pools, used=desk.used)
    return [row for row in rows if row.waits_for == row.WaitsFor.DONOR_CAP or row.pool_id not in refused]


def _write(desk: _Desk, *, reservations: Sequence[Reservation], now: datetime) -> None:
    made = Allocation.objects.bulk_create(desk.allocations)
    offered = [Move(desk.pools[row.pool_id], "offer", row.amount_minor, row, row.reservation.reference) for row in made]
    post([*desk.restored, *offered], actor=SYSTEM, now=now)
    WaitingGift.objects.filter(reservation__in=reservations).delete()
    WaitingGift.objects.bulk_create(desk.waiting)
