"""How pools stand towards one gift, as the arithmetic takes them: terms, money, caps, locks."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Sum

from campaign.models import Campaign
from matching.allocation import PoolState
from matching.models import Allocation, MatchPool, PoolTerms, Reservation, terms_at, terms_by_id, versions_until

_NO_CAP = 10**15

# A gift that is matched after its own moment finds the pools closed that were paused at that moment (paused_at).
# What a donor has had is only counted for pools that cap it, in any version of their terms.
_READ = """
    SELECT c.closes_at, (SELECT max(id) FROM matching_reservation WHERE key = %(key)s),
        p.id, p.current_terms_id, p.free_minor, p.is_paused OR p.halted_reason <> '' OR EXISTS (
            SELECT FROM matching_poolpause u
            WHERE u.pool_id = p.id AND u.paused_at <= %(as_of)s AND (u.resumed_at IS NULL OR u.resumed_at > %(as_of)s)),
        p.unlocked_at,
        EXISTS (
            SELECT FROM matching_reservation r JOIN matching_allocation l ON l.reservation_id = r.id
            WHERE r.state = 'held' AND r.held_until <= %(now)s AND l.pool_id = p.id),
        CASE WHEN EXISTS (
            SELECT FROM matching_poolterms t WHERE t.pool_id = p.id AND t.cap_per_donor_minor IS NOT NULL
        ) THEN (
            SELECT coalesce(sum(l.amount_minor - l.reversed_minor), 0)
            FROM matching_reservation r JOIN matching_allocation l ON l.reservation_id = r.id
            WHERE r.donor_key = %(donor_key)s AND r.donor_key <> '' AND r.state IN ('held', 'committed')
              AND l.pool_id = p.id
        ) ELSE 0 END
    FROM campaign_campaign c
    LEFT JOIN matching_matchpool p ON p.campaign_id = c.id AND p.current_terms_id IS NOT NULL
    WHERE c.id = %(campaign)s ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """One pool as it was read for a gift. Money in minor units. terms: those that the gift is judged by."""

    id: int
    terms: PoolTerms
    current_terms_id: int
    free_minor: int
    used_minor: int
    is_stopped: bool
    unlocked_at: datetime | None
    has_lapsed: bool


@dataclass(frozen=True, slots=True)
class GiftStanding:
    """All the pools of a campaign that have terms, in order of id, and the gift's newest reservation, if it has one."""

    campaign_closes_at: datetime
    newest_id: int | None
    pools: list[PoolStanding]

    def only(self, pool_ids: Collection[int], *, otherwise: "GiftStanding") -> "GiftStanding":
        """These pools as they are here, every other one as it was there."""
        here = [pool for pool in self.pools if pool.id in pool_ids]
        there = [pool for pool in otherwise.pools if pool.id not in pool_ids]
        return replace(self, pools=[*here, *there])

    def states(self, *, submitted_at: datetime) -> list[PoolState]:
        return [
            pool.terms.state(
                campaign_closes_at=self.campaign_closes_at,
                free_minor=pool.free_minor,
                donor_used_minor=pool.used_minor,
                stopped=pool.is_stopped,
                unlocked_at=pool.unlocked_at,
                submitted_at=submitted_at,
            )
            for pool in self.pools
        ]


def read_standing(*, campaign_id: int, gift_key: UUID, donor_key: str, as_of: datetime, now: datetime) -> GiftStanding:
    """Everything that a hold depends on, in one statement. as_of: the moment whose terms count.

    Locks nothing: lock the pools first, or look again when writing. Raises Campaign.DoesNotExist.
    """
    asked: dict[str, Any] = {
        "campaign": campaign_id,
        "key": gift_key,
        "donor_key": donor_key,
        "as_of": as_of,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_READ, asked)
        rows = cursor.fetchall()
    if not rows:
        raise Campaign.DoesNotExist(f"there is no campaign {campaign_id}")
    pools = [
        PoolStanding(pk, terms_at(terms_id, as_of), terms_id, free, int(used), stopped, unlocked_at, lapsed)
        for _, _, pk, terms_id, free, stopped, unlocked_at, lapsed, used in rows
        if pk is not None
    ]
    return GiftStanding(rows[0][0], rows[0][1], pools)


def pool_states(
    pools: Sequence[MatchPool],
    *,
    campaign: Campaign,
    terms: dict[int, PoolTerms],
    donor_key: str,
    submitted_at: datetime,
    used: Mapping[tuple[int, str], int],
) -> list[PoolState]:
    """The pools as the arithmetic takes them, for a gift of this donor sent at this moment.

    used: what donors have from pools, by (pool id, donor key); absent means nothing.
    """
    return [
        terms[pool.pk].state(
            campaign_closes_at=campaign.closes_at,
            free_minor=pool.free_minor,
            donor_used_minor=used.get((pool.pk, donor_key), 0),
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
    used = _used(donor_keys=[donor_key], pool_ids=pool_ids)
    return {pool_id: minor for (pool_id, _), minor in used.items()}


def used_under_caps(*, donor_keys: Iterable[str], pools: Iterable[MatchPool]) -> Counter[tuple[int, str]]:
    """What these donors have from those of these pools that cap it, in any version of their terms: one query.

    In minor units by (pool id, donor key). Lock the pools first where the answer is to be acted on.
    """
    capped = [pool.pk for pool in pools if _caps_donors(pool)]
    return _used(donor_keys=donor_keys, pool_ids=capped)


def _caps_donors(pool: MatchPool) -> bool:
    return any(terms.cap_per_donor_minor is not None for terms in versions_until(pool.terms.pk))


def _used(*, donor_keys: Iterable[str], pool_ids: Sequence[int]) -> Counter[tuple[int, str]]:
    known = {donor_key for donor_key in donor_keys if donor_key}
    if not pool_ids or not known:
        return Counter()
    rows = (
        Allocation.objects.filter(
            pool_id__in=pool_ids,
            reservation__donor_key__in=known,
            reservation__state__in=[Reservation.State.HELD, Reservation.State.COMMITTED],
        )
        .values_list("pool_id", "reservation__donor_key")
        .annotate(used_minor=Sum(F("amount_minor") - F("reversed_minor")))
    )
    return Counter({(pool_id, donor_key): used_minor for pool_id, donor_key, used_minor in rows})
