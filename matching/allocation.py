"""Who gets how much: pure arithmetic, no database, no Django (design 3.2).

Base pools, in order of priority and then id, each take part of the gift that no earlier base pool has covered.
Bonus pools match the whole gift on top. Award pools match no gift (matching/challenges.py).
Integers throughout: minor units in, minor units out, rounded down.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

BASE, BONUS, AWARD = "base", "bonus", "award"


class Bound(StrEnum):
    """What kept a pool from giving more to a part of a gift: the reason a person is shown."""

    GIFT = "gift"  # it matched all that was left to match: nothing kept it back
    RATIO = "ratio"  # the ratio rounds down to no cent
    COVERED = "covered"  # earlier pools covered all
    WINDOW = "window"
    MINIMUM = "minimum"
    OTHER_FUND = "other_fund"
    OFFLINE = "offline"
    PAUSED = "paused"
    LOCKED = "locked"
    CAP_PER_GIFT = "cap_per_gift"
    CAP_PER_DONOR = "cap_per_donor"
    RAN_OUT = "ran_out"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a gift meant for one fund. amount_minor > 0, without covered fees."""

    fund: Hashable
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PoolState:
    """One pool's terms and what it has at this moment, from one donor's point of view. Money in minor units.

    ratio: match per unit of gift as (match, gift). funds: None means all. opens_at, closes_at: a half-open
    window, None means no bound. donor_used_minor: what this donor had from the pool before.
    """

    id: int
    free_minor: int
    ratio: tuple[int, int] = (1, 1)
    min_gift_minor: int = 0
    cap_per_gift_minor: int | None = None
    cap_per_donor_minor: int | None = None
    donor_used_minor: int = 0
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    funds: frozenset[Hashable] | None = None
    priority: int = 100
    layer: str = BASE
    paused: bool = False
    locked: bool = False
    offline_gifts: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """All that a pool gave to a part of the gift before, as it stands now. covered_minor: the part that it earns.

    layer: the pool's, since what a bonus pool gave covers nothing for the base pools.
    """

    part_index: int
    pool_id: int
    match_minor: int
    covered_minor: int
    layer: str = BASE


@dataclass(frozen=True, slots=True)
class Share:
    """What one pool gives to one part of a gift, and what bound it. match_minor >= 0."""

    part_index: int
    pool_id: int
    match_minor: int
    bound: Bound


def consider(
    *,
    parts: Sequence[Part],
    submitted_at: datetime,
    offline: bool,
    pools: Sequence[PoolState],
    before: Sequence[Given] = (),
    gift_minor: int | None = None,
) -> list[Share]:
    """Every pool's answer to every part, the empty ones too: the explanation of a match.

    before: what the gift has already; the answer is what comes on top (donor_used_minor counts it, free_minor does
    not). gift_minor: the gift that minimums are judged by, when refunds have made the parts smaller.
    Ordered by part, then base pools before bonus pools, then priority, then id. Deterministic. The sum of
    match_minor over a pool is at most its free money, its cap per gift and what its cap per donor leaves.
    """
    matching = [pool for pool in pools if pool.layer != AWARD]
    ordered = sorted(matching, key=lambda pool: (pool.layer == BONUS, pool.priority, pool.id))
    whole_minor = sum(part.amount_minor for part in parts) if gift_minor is None else gift_minor
    earlier = {pool.id: sum(given.match_minor for given in before if given.pool_id == pool.id) for pool in ordered}
    given = dict.fromkeys((pool.id for pool in ordered), 0)
    shares = []
    for index, part in enumerate(parts):
        had = [row for row in before if row.part_index == index]
        uncovered = part.amount_minor - sum(row.covered_minor for row in had if row.layer == BASE)
        for pool in ordered:
            closed = _closed_by(pool, part=part, gift_minor=whole_minor, submitted_at=submitted_at, offline=offline)
            own = [row for row in had if row.pool_id == pool.id]
            own_minor, own_covered = sum(row.match_minor for row in own), sum(row.covered_minor for row in own)
            match, bound = (
                (0, closed)
                if closed
                else _match(
                    pool,
                    open_minor=part.amount_minor if pool.layer == BONUS else uncovered + own_covered,
                    part_had_minor=own_minor,
                    given_minor=given[pool.id],
                    earlier_minor=earlier[pool.id],
                )
            )
            shares.append(Share(index, pool.id, match, bound))
            given[pool.id] += match
            if pool.layer == BASE and match:
                uncovered -= covered_by(own_minor + match, ratio=pool.ratio) - own_covered
    return shares


def allocate(
    *, parts: Sequence[Part], submitted_at: datetime, offline: bool, pools: Sequence[PoolState]
) -> list[Share]:
    """The shares that hold money: consider() without the empty ones."""
    shares = consider(parts=parts, submitted_at=submitted_at, offline=offline, pools=pools)
    return [share for share in shares if share.match_minor]


def covered_by(match_minor: int, *, ratio: tuple[int, int]) -> int:
    """The smallest part of a gift, in minor units, that earns this match at this ratio."""
    per_match, per_gift = ratio
    return -(-match_minor * per_gift // per_match)


def kept_after_refund(allocation_minor: int, *, basis_minor: int, remaining_minor: int) -> int:
    """What an allocation keeps while remaining_minor of the gift is not refunded (design 3.6).

    basis_minor: what was not refunded when the allocation was made: the whole gift, for all that was held before it
    was paid. Money added later to a gift that was partly refunded is for the rest of it.
    """
    return allocation_minor * min(remaining_minor, basis_minor) // basis_minor


def remaining_parts(parts: Sequence[Part], *, remaining_minor: int) -> list[Part]:
    """The parts of a gift of which remaining_minor is not refunded, each in proportion, rounded down."""
    whole_minor = sum(part.amount_minor for part in parts)
    return [Part(part.fund, part.amount_minor * remaining_minor // whole_minor) for part in parts]


def _closed_by(pool: PoolState, *, part: Part, gift_minor: int, submitted_at: datetime, offline: bool) -> Bound | None:
    if pool.paused:
        return Bound.PAUSED
    if pool.locked:
        return Bound.LOCKED
    if offline and not pool.offline_gifts:
        return Bound.OFFLINE
    if (pool.opens_at and submitted_at < pool.opens_at) or (pool.closes_at and submitted_at >= pool.closes_at):
        return Bound.WINDOW
    if pool.funds is not None and part.fund not in pool.funds:
        return Bound.OTHER_FUND
    return Bound.MINIMUM if gift_minor < pool.min_gift_minor else None


def _match(
    pool: PoolState, *, open_minor: int, part_had_minor: int, given_minor: int, earlier_minor: int
) -> tuple[int, Bound]:
    """The least of what the terms and the money allow, and which of them it was.

    open_minor: of the part, what other pools have not covered. part_had_minor: what the part has from this pool: the
    ratio goes over all of it at once, so that money which comes in pieces adds up to what it gives in one.
    given_minor: to other parts of the gift in this round; earlier_minor: to all parts in rounds before.
    """
    per_match, per_gift = pool.ratio
    wanted = open_minor * per_match // per_gift - part_had_minor
    if open_minor <= 0 or (wanted <= 0 and part_had_minor):
        return 0, Bound.COVERED
    limits = [(wanted, Bound.GIFT if wanted else Bound.RATIO)]
    if pool.cap_per_gift_minor is not None:
        limits.append((pool.cap_per_gift_minor - given_minor - earlier_minor, Bound.CAP_PER_GIFT))
    if pool.cap_per_donor_minor is not None:
        left_minor = pool.cap_per_donor_minor - pool.donor_used_minor - given_minor
        limits.append((left_minor, Bound.CAP_PER_DONOR))
    limits.append((pool.free_minor - given_minor, Bound.RAN_OUT))
    least, bound = min(limits, key=lambda limit: limit[0])
    return max(least, 0), bound
