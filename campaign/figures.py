"""The campaign's figures as every public page shows them, from a copy that is rebuilt about once a second.

The copy lives in the cache with the moment it was made, and pages print that moment. One reader rebuilds it while the
others keep showing the last one; with the cache down each page reads the database itself.
"""

from dataclasses import dataclass
from datetime import datetime

from campaign.copies import fresh
from campaign.models import Campaign, Fund
from donations import queries as gift_queries
from donations.match_line import MatchLine
from donations.match_line import match_line as match_line_for
from donations.queries import PublicGift, Totals
from matching.models import MatchPool
from matching.public_state import public_state_text
from matching.queries import PoolFigures, pool_figures


@dataclass(frozen=True, slots=True)
class PublicPool:
    """One sponsor's pool as the public sees it. Money in minor units; fund_ids: empty means every fund.

    sponsor_url and logo_url: empty when there is none, or when the sponsor is anonymous. progress_share: of a
    challenge, how much of its target is reached, 0 to 1; None when nothing is awaited.
    """

    pool_id: int
    entry_count: int
    sponsor_name: str
    sponsor_url: str
    logo_url: str
    sentence: str
    leftover_sentence: str
    rule_sentence: str
    is_conditional: bool
    state: str
    state_text: str
    progress_text: str
    progress_share: float | None
    is_bonus: bool
    is_award: bool
    limit_minor: int
    matched_minor: int
    held_minor: int
    free_minor: int
    fund_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """made_at: the moment of all the figures.

    matched_minor has what sponsors gave to gifts and, once, what challenges gave. free_minor: of pools that match gifts
    now; later_minor: of pools that match gifts later.
    """

    made_at: datetime
    totals: Totals
    by_fund: dict[int, Totals]
    pools: tuple[PublicPool, ...]

    @property
    def matched_minor(self) -> int:
        return sum(pool.matched_minor for pool in self.pools)

    @property
    def held_minor(self) -> int:
        return sum(pool.held_minor for pool in self.pools)

    @property
    def free_minor(self) -> int:
        return sum(pool.free_minor for pool in self.pools if pool.state == "open")

    @property
    def later_minor(self) -> int:
        return sum(pool.free_minor for pool in self.pools if pool.state == "not_yet_open" and not pool.is_award)

    @property
    def challenges(self) -> list[PublicPool]:
        """What pages show with a bar: locked pools, and sums that wait for their target or have just been given."""
        return [pool for pool in self.pools if pool.state in ("locked", "running", "met", "given")]

    @property
    def limit_minor(self) -> int:
        return self.matched_minor + self.held_minor + self.free_minor


def figures(*, campaign: Campaign, now: datetime) -> Figures:
    """All figures of a campaign, at most about FRESH_FOR old while the cache is up."""
    return fresh(f"figures:{campaign.pk}", now=now, make=lambda: _count(campaign=campaign, now=now))[1]


def recent_gifts(*, campaign: Campaign, fund: Fund | None, limit: int, now: datetime) -> list[PublicGift]:
    """The newest gifts as their donors let the public see them; of one fund when given."""
    fund_id = fund.pk if fund else None
    return fresh(
        f"recent:{campaign.pk}:{fund_id}:{limit}",
        now=now,
        make=lambda: gift_queries.recent_public_gifts(campaign_id=campaign.pk, fund_id=fund_id, limit=limit),
    )[1]


def match_line(*, campaign: Campaign, fund: Fund, amount_minor: int, now: datetime) -> MatchLine:
    """What the match would add to a gift of this amount to this fund, sent now."""
    parts = ((fund.pk, amount_minor),) if amount_minor else ()
    return fresh(
        f"line:{campaign.pk}:{fund.pk}:{amount_minor}",
        now=now,
        make=lambda: match_line_for(campaign=campaign, parts=parts, now=now),
    )[1]


def _count(*, campaign: Campaign, now: datetime) -> Figures:
    return Figures(
        made_at=now,
        totals=gift_queries.totals(campaign_id=campaign.pk),
        by_fund=gift_queries.fund_totals(campaign_id=campaign.pk),
        pools=tuple(_public(row, campaign=campaign, now=now) for row in pool_figures(campaign=campaign, now=now)),
    )


def _public(row: PoolFigures, *, campaign: Campaign, now: datetime) -> PublicPool:
    sponsor = row.pool.sponsor
    return PublicPool(
        pool_id=row.pool.pk,
        entry_count=row.pool.head_seq,
        sponsor_url="" if sponsor.is_anonymous else sponsor.website,
        logo_url=sponsor.logo.url if sponsor.logo and not sponsor.is_anonymous else "",
        sponsor_name=row.sponsor_name,
        sentence=row.sentence,
        leftover_sentence=row.leftover_sentence,
        rule_sentence=row.rule_sentence,
        is_conditional=row.pool.leftover == MatchPool.Leftover.KEPT,
        state=row.state,
        state_text=public_state_text(row=row, campaign=campaign, now=now),
        progress_text=row.progress_text,
        progress_share=row.progress_share,
        is_bonus=row.terms.layer == "bonus",
        is_award=row.is_award,
        limit_minor=row.limit_minor,
        matched_minor=row.matched_minor,
        held_minor=row.held_minor,
        free_minor=row.free_minor,
        fund_ids=tuple(row.terms.fund_ids),
    )
