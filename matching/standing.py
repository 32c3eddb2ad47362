"""How pools stand towards one gift, as the arithmetic takes them: terms, money, caps, locks."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import F, Sum

from campaign.models import Campaign
from matching.allocation import PoolState
from matching.models import Allocation, MatchPool, PoolTerms, Reservation, terms_by_id

_NO_CAP = 10**15


def pool_states(
    pools: Sequence[MatchPool],
    *,
    campaign: Campaign,
    terms: dict[int, PoolTerms],
    donor_key: str,
    submitted_at: datetime,
) -> list[PoolState]:
    """The pools as the arithmetic takes them, for a gift of this donor sent at this moment. Lock the pools
    first where the answer is to be acted on."""
    capped = [pool.pk for pool in pools if terms[pool.pk].cap_per_donor_minor is not None]
    used = donor_used(donor_key=donor_key, pool_ids=capped)
    return [
        terms[pool.pk].state(
            campaign_closes_at=campaign.closes_at,
            free_minor=pool.free_minor,
            donor_used_minor=used.get(pool.pk, 0),
            stopped=pool.is_stopped,
            unlocked_at=pool.unlocked_at,
            submitted_at=submitted_at,
        )
        for pool in pools
    ]


def room_under_caps(allocation: Allocation, *, allocations: Iterable[Allocation], used_minor: int) -> int:
    """How much may be given back to an allocation, in minor units: what the caps of its terms leave, 0 or more.

    allocations: all that the gift has; used_minor: what its donor has from this pool, this gift included. Without caps
    a very large number. Part of what a refund took may have gone to the same gift or donor since: it is not given
    twice when the refund fails.
    """
    terms = terms_by_id(allocation.terms_id)
    in_gift = sum(row.kept_minor for row in allocations if row.pool_id == allocation.pool_id)
    left = [_NO_CAP]
    if terms.cap_per_gift_minor is not None:
        left.append(terms.cap_per_gift_minor - in_gift)
    if terms.cap_per_donor_minor is not None:
        left.append(terms.cap_per_donor_minor - used_minor)
    return max(0, min(left))


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
