"""Challenges: money that waits until enough people gave, or enough was raised (design 3.1).

Two kinds. A pool that matches gifts can be locked until its target is reached; once unlocked it stays so, since
donors were promised its match. A pool of layer `award` matches nothing: it gives a sum of its own when the target is
reached, once, or at each multiple ("every 50 donors"). What refunds undo before the campaign closes is taken back, as
the page says; after the close it stands.

What counts: gifts paid and not wholly refunded, sent within the pool's window, to its funds if it names some. Each
donor counts once. Nothing has to announce that a target was reached: whoever asks counts anew from the reservations.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from campaign.models import Campaign
from matching.allocation import AWARD
from matching.ledger import SYSTEM, Move, lock_pools, post
from matching.models import MatchPool, PoolTerms

_MOST_AWARDS_AT_ONCE = 100
# The parts of each gift that count, in whole cents, less what was refunded of the gift in proportion (rounded down).
# Summed by donor first: sorting a million gifts to count their donors takes three times as long.
_COUNT = """
    SELECT count(*), coalesce(sum(donor_minor), 0) FROM (
        SELECT donor_key, sum(counted_minor) AS donor_minor FROM (
            SELECT r.donor_key, {counted} AS counted_minor
            FROM matching_reservation r
            WHERE r.campaign_id = %(campaign)s AND r.state = 'committed' AND r.refunded_minor < r.amount_minor
              AND r.submitted_at >= %(starts_at)s AND r.submitted_at < %(ends_at)s
        ) counted WHERE counted_minor > 0 GROUP BY donor_key
    ) donors
"""
_WHOLE_GIFT = "r.amount_minor - r.refunded_minor"
_PARTS_FOR_FUNDS = """CASE WHEN jsonb_array_length(r.parts) = 1 THEN
    CASE WHEN (r.parts -> 0 ->> 0)::bigint = ANY(%(funds)s) THEN r.amount_minor - r.refunded_minor ELSE 0 END
ELSE (
    SELECT sum((part ->> 1)::bigint)::bigint FROM jsonb_array_elements(r.parts) part
    WHERE (part ->> 0)::bigint = ANY(%(funds)s)
) * (r.amount_minor - r.refunded_minor) / r.amount_minor END"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a challenge has come. One of target_donors and target_minor is a number > 0, the other None."""

    donors: int
    raised_minor: int
    target_donors: int | None
    target_minor: int | None

    @property
    def times(self) -> int:
        """How often the target was reached: 0, 1, 2 ..."""
        if self.target_donors is not None:
            return self.donors // self.target_donors
        return self.raised_minor // (self.target_minor or 1)

    @property
    def is_exceeded(self) -> bool:
        """Whether more came than the target asks for."""
        return self.donors > self.target_donors if self.target_donors else self.raised_minor > (self.target_minor or 0)

    @property
    def of_next_time(self) -> "Progress":
        """What counts towards the next time, for a challenge that gives at each multiple of its target."""
        if self.target_donors is not None:
            return replace(self, donors=self.donors % self.target_donors)
        return replace(self, raised_minor=self.raised_minor % (self.target_minor or 1))

    @property
    def share(self) -> float:
        """How much of the target is reached, 0 to 1: for the length of a bar."""
        reached = (
            self.donors / self.target_donors if self.target_donors else self.raised_minor / (self.target_minor or 1)
        )
        return min(reached, 1.0)


def progress(*, campaign: Campaign, terms: PoolTerms) -> Progress:
    """Count anew, in one query. The terms must have a target."""
    parameters: dict[str, Any] = {
        "campaign": campaign.pk,
        "funds": list(terms.fund_ids),
        "starts_at": terms.starts_at(),
        "ends_at": terms.ends_at(campaign_closes_at=campaign.closes_at),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(counted=_PARTS_FOR_FUNDS if terms.fund_ids else _WHOLE_GIFT), parameters)
        donors, raised_minor = cursor.fetchone()
    return Progress(donors, int(raised_minor), terms.unlock_donors, terms.unlock_raised_minor)


def awaited(*, campaign_id: int) -> bool:
    """Whether any pool of the campaign waits for a target, or gives sums as targets are reached. One query."""
    opened = MatchPool.objects.filter(campaign=campaign_id)
    has_target = Q(current_terms__unlock_donors__isnull=False) | Q(current_terms__unlock_raised_minor__isnull=False)
    return opened.filter(has_target, Q(unlocked_at=None) | Q(current_terms__layer=AWARD)).exists()


def settle_challenges(*, campaign: Campaign, now: datetime) -> bool:
    """Unlock the pools whose target is reached, and give or take back what the challenges owe.

    Returns whether a pool was unlocked, so that gifts which wait for it can be served at once.
    Harmless when run twice at once: each pool is a short transaction of its own that looks again under its lock.
    Raises PoolsBusy: what was settled before it stays.
    """
    any_unlocked = False
    for pool in MatchPool.objects.filter(campaign=campaign, current_terms__isnull=False).order_by("pk"):
        if not pool.terms.has_target:
            continue
        if not pool.terms.matches_gifts:
            _settle_awards(pool.pk, campaign=campaign, now=now)
        elif pool.unlocked_at is None and progress(campaign=campaign, terms=pool.terms).times:
            unlock(pool_id=pool.pk, now=now)
            any_unlocked = True
    return any_unlocked


@transaction.atomic
def unlock(*, pool_id: int, now: datetime) -> None:
    """Open a locked pool for good; offers.py serves the gifts that wait for it. A repeat writes nothing."""
    lock_pools([pool_id])
    MatchPool.objects.filter(pk=pool_id, unlocked_at=None).update(unlocked_at=now)


@transaction.atomic
def _settle_awards(pool_id: int, *, campaign: Campaign, now: datetime) -> None:
    """Bring what an award pool has given to what its challenge has earned: whole awards, while it has money."""
    pool = lock_pools([pool_id])[pool_id]
    award_minor = pool.terms.award_minor or 0
    times = progress(campaign=campaign, terms=pool.terms).times
    earned = (times if pool.terms.award_every else min(times, 1)) * award_minor
    while_open = now < campaign.closes_at
    moves: list[Move] = []
    given, free = pool.matched_minor, pool.free_minor
    while len(moves) < _MOST_AWARDS_AT_ONCE and given < earned and free >= award_minor and not pool.is_stopped:
        moves.append(Move(pool, "award", award_minor))
        given, free = given + award_minor, free - award_minor
    while len(moves) < _MOST_AWARDS_AT_ONCE and given > earned and while_open:
        moves.append(Move(pool, "withdraw", award_minor))
        given -= award_minor
    post(moves, actor=SYSTEM, now=now)
