"""The queue for money that comes free: which paid gifts would take more, and from which pool (design 3.5).

A gift waits for a pool when the pool's terms, as they stood when the gift was sent, would give it more if the pool
had the money. Rows are written when a gift is paid, and written anew whenever its match or its refunds change; a gift
that can have no more has none. Being in the queue promises nothing: offers.py works out the sum under the locks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Q, QuerySet

from matching.allocation import (
    AWARD,
    Bound,
    Given,
    Part,
    PoolState,
    consider,
    covered_by,
    kept_after_refund,
    remaining_parts,
)
from matching.ledger import busy_when_locked
from matching.models import Allocation, MatchPool, Reservation, WaitingGift, terms_by_id
from matching.models.pauses import paused_at
from matching.standing import pool_states, room_under_caps, used_under_caps

# What a pool said at first that money, room under a cap, an unlocking or the end of a stop may change.
MAY_CHANGE = frozenset({Bound.RAN_OUT, Bound.CAP_PER_DONOR, Bound.LOCKED, Bound.PAUSED})
_ENOUGH_MINOR = 10**15
_MOST_EARLIER_GIFTS = 200_000


def queue_again(reservation: Reservation, *, given: Sequence[Allocation]) -> None:
    """Write a gift's rows anew after its match or its refunds changed. The reservation must be locked."""
    opened = MatchPool.objects.filter(campaign=reservation.campaign_id, current_terms__isnull=False)
    asked = opened.exclude(current_terms__layer=AWARD).values_list("pk", flat=True)
    reservation.waiting.all().delete()
    WaitingGift.objects.bulk_create(waiting_rows(reservation, given=given, pool_ids=asked))


def queue_earlier_gifts(pool: MatchPool, *, now: datetime) -> None:
    """A pool that matches from a moment before it was opened: the gifts paid since then wait for it too.

    Locks the gifts that are held at this moment: each is paid before this looks, or finds the pool there when it is
    paid (matching_resolve in functions.py). Raises PoolsBusy.
    """
    if not pool.terms.matches_gifts or pool.terms.starts_at() >= now:
        return
    since = Reservation.objects.filter(
        campaign=pool.campaign_id, submitted_at__gte=pool.terms.starts_at(), submitted_at__lt=now
    )
    _lock_held(since)
    paid = since.filter(state=Reservation.State.COMMITTED)
    earlier = paid.order_by("submitted_at", "id")[:_MOST_EARLIER_GIFTS]
    rows = (_row(reservation, pool_id=pool.pk, waits_for=WaitingGift.WaitsFor.MONEY) for reservation in earlier)
    WaitingGift.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2_000)


def _lock_held(gifts: QuerySet[Reservation]) -> None:
    held = gifts.filter(state=Reservation.State.HELD).order_by("pk").select_for_update(no_key=True)
    with busy_when_locked("gifts that are being paid"):
        list(held.values_list("pk", flat=True))


def make_room_under_caps(freed: Iterable[tuple[int, str]]) -> None:
    """Match of these donors went back to these pools: their other gifts no longer wait for the cap but for money.

    freed: (pool id, donor key), 0..n. The pools must be locked.
    """
    which = Q()
    for pool_id, donor_key in set(freed):
        which |= Q(pool_id=pool_id, donor_key=donor_key)
    if which:
        waiting = WaitingGift.objects.filter(which, waits_for=WaitingGift.WaitsFor.DONOR_CAP)
        waiting.update(waits_for=WaitingGift.WaitsFor.MONEY)


def given_before(allocations: Iterable[Allocation]) -> list[Given]:
    """What a gift has now, as the arithmetic takes it: all rounds of a pool together, so that cents round once."""
    kept: Counter[tuple[int, int, int]] = Counter()
    for row in allocations:
        kept[row.part_index, row.pool_id, row.terms_id] += row.kept_minor
    rows = []
    for (part_index, pool_id, terms_id), kept_minor in kept.items():
        terms = terms_by_id(terms_id)
        covered = covered_by(kept_minor, ratio=(terms.ratio_match, terms.ratio_gift))
        rows.append(Given(part_index, pool_id, kept_minor, covered, terms.layer))
    return rows


def parts_left(reservation: Reservation) -> list[Part]:
    """The parts of a gift less what was refunded of it."""
    parts = [Part(fund_id, amount_minor) for fund_id, amount_minor in reservation.parts]
    return remaining_parts(parts, remaining_minor=reservation.remaining_minor)


def waiting_rows(
    reservation: Reservation, *, given: Sequence[Allocation], pool_ids: Iterable[int]
) -> list[WaitingGift]:
    """What the gift waits for among these pools, as they stand now. given: what the gift has.

    A pool that was paused when the gift was sent is not asked: nobody is matched for that time afterwards.
    """
    asked = set(pool_ids)
    if not asked or reservation.remaining_minor <= 0:
        return []
    paused = paused_at(pool_ids=asked, moment=reservation.submitted_at)
    pools = list(MatchPool.objects.filter(pk__in=asked - paused).order_by("pk"))
    used = used_under_caps(donor_keys=[reservation.donor_key], pools=pools)
    return rows_for(reservation, given=given, pools=pools, used=used)


def rows_for(
    reservation: Reservation,
    *,
    given: Sequence[Allocation],
    pools: Iterable[MatchPool],
    used: Mapping[tuple[int, str], int],
) -> list[WaitingGift]:
    """What the gift waits for, as unsaved rows by pool: each pool asked alone, as if it had the money.

    given: what the gift has. pools: none that was paused when the gift was sent. used: what donors have from pools, by
    (pool id, donor key). Reads nothing but terms.
    """
    pools = list(pools)
    if not pools or reservation.remaining_minor <= 0:
        return []
    lacking = [row for row in given if row.kept_minor < _kept_after_refunds(row, reservation)]
    parts, before = parts_left(reservation), given_before(given)
    rows = []
    for state in _states_with_money(pools, reservation=reservation, used=used):
        shares = consider(
            parts=parts,
            submitted_at=reservation.submitted_at,
            offline=reservation.is_offline,
            pools=[state],
            before=before,
            gift_minor=reservation.amount_minor,
        )
        lacks = [row for row in lacking if row.pool_id == state.id]
        may_come_back = any(room_under_caps(row, allocations=given, used_minor=state.donor_used_minor) for row in lacks)
        had_all = state.cap_per_donor_minor is not None and state.donor_used_minor >= state.cap_per_donor_minor
        if may_come_back or any(share.match_minor for share in shares):
            rows.append(_row(reservation, pool_id=state.id, waits_for=WaitingGift.WaitsFor.MONEY))
        elif (lacks and had_all) or any(share.bound == Bound.CAP_PER_DONOR for share in shares):
            rows.append(_row(reservation, pool_id=state.id, waits_for=WaitingGift.WaitsFor.DONOR_CAP))
    return rows


def _kept_after_refunds(allocation: Allocation, reservation: Reservation) -> int:
    return kept_after_refund(
        allocation.amount_minor,
        basis_minor=allocation.basis_minor,
        remaining_minor=reservation.remaining_minor,
    )


def _states_with_money(
    pools: Sequence[MatchPool], *, reservation: Reservation, used: Mapping[tuple[int, str], int]
) -> list[PoolState]:
    terms = {pool.pk: pool.terms_at(reservation.submitted_at) for pool in pools}
    states = pool_states(
        pools,
        campaign=reservation.campaign,
        terms=terms,
        donor_key=reservation.donor_key,
        submitted_at=reservation.submitted_at,
        used=used,
    )
    by_id = {pool.pk: pool for pool in pools}
    return [
        replace(
            state,
            free_minor=_ENOUGH_MINOR,
            paused=False,
            locked=state.locked and not (terms[state.id].reaches_back and by_id[state.id].unlocked_at is None),
        )
        for state in states
    ]


def _row(reservation: Reservation, *, pool_id: int, waits_for: WaitingGift.WaitsFor) -> WaitingGift:
    return WaitingGift(
        reservation=reservation,
        pool_id=pool_id,
        waits_for=waits_for,
        donor_key=reservation.donor_key,
        submitted_at=reservation.submitted_at,
    )
