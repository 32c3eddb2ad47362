"""The campaign's figures as every public page shows them, from a copy that is rebuilt about once a second.

The copies live in the cache with the moments they were made, and pages print those moments. One reader rebuilds a copy
while the others keep showing the last one (campaign/copies.py). What takes too long is None for a while: then pages
leave it out, and giving goes on as fast as before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from campaign.copies import fresh, spared
from campaign.kept_rows import rows
from campaign.models import Campaign, Fund
from campaign.stamps import quarter_end
from donations import queries as gift_queries
from donations import standings
from donations.charts import HourChart, hour_chart
from donations.match_line import MatchLine
from donations.match_line import match_line as match_line_for
from donations.queries import HOUR, HourFigures, PublicGift, Totals
from donations.standings import PlaceStanding, TeamStanding
from matching.models import MatchPool
from matching.moments import next_change
from matching.public_state import public_state_text
from matching.queries import PoolFigures, pool_figures

_SHAPE = 4  # raise it with a change of what is kept here: a copy of an older release is not read
_MOST_HOURS = 24
_REGIONS_FOR = timedelta(seconds=30)  # they read every gift: of very many much longer (copies.py)
_REACHED_FOR = timedelta(minutes=10)
_FEWEST_IN_AN_HOUR = 3


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

    @property
    def is_over(self) -> bool:
        """Whether what it has is free for no gift any more: it is left over."""
        return self.state == "closed"


@dataclass(frozen=True, slots=True)
class PublicMilestone:
    amount_minor: int
    text: str
    is_reached: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A fund's place among the campaign's funds. share: of what the first one raised, 0 to 1."""

    fund: Fund
    totals: Totals
    share: float


@dataclass(frozen=True, slots=True)
class Hours:
    """Gifts by hour as pages draw them and write them beside the drawing. is_whole: from the opening on."""

    hours: tuple[HourFigures, ...]
    chart: HourChart
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """made_at: the moment of all the figures. milestones: in order of their amounts.

    matched_minor has what sponsors gave to gifts and, once, what challenges gave. free_minor: of pools that match gifts
    now, and once all of them are closed what is left over in them; later_minor: of pools that match gifts later.
    """

    made_at: datetime
    totals: Totals
    by_fund: dict[int, Totals]
    pools: tuple[PublicPool, ...]
    milestones: tuple[PublicMilestone, ...]

    @property
    def reached_count(self) -> int:
        return sum(milestone.is_reached for milestone in self.milestones)

    @property
    def next_milestone(self) -> PublicMilestone | None:
        return next((milestone for milestone in self.milestones if not milestone.is_reached), None)

    @property
    def last_reached(self) -> PublicMilestone | None:
        return next((milestone for milestone in reversed(self.milestones) if milestone.is_reached), None)

    @property
    def matched_minor(self) -> int:
        return sum(pool.matched_minor for pool in self.pools)

    @property
    def held_minor(self) -> int:
        return sum(pool.held_minor for pool in self.pools)

    @property
    def free_minor(self) -> int:
        state = "closed" if self.is_over else "open"
        return sum(pool.free_minor for pool in self.pools if pool.state == state and not pool.is_award)

    @property
    def is_over(self) -> bool:
        """Whether all that matches gifts is closed, as it is after the campaign's end."""
        of_gifts = [pool for pool in self.pools if not pool.is_award]
        return bool(of_gifts) and all(pool.is_over for pool in of_gifts)

    @property
    def leftover_sentence(self) -> str:
        """What becomes of what is left over, when all sponsors do the same with it; else empty, as before the end."""
        left = [pool for pool in self.pools if pool.free_minor and not pool.is_award] if self.is_over else []
        said = {pool.leftover_sentence for pool in left}
        return said.pop() if len(said) == 1 else ""

    @property
    def later_minor(self) -> int:
        return sum(pool.free_minor for pool in self.pools if pool.state == "not_yet_open" and not pool.is_award)

    @property
    def match_stage(self) -> str:
        """Whether a gift can have match: empty while it can, or where no pool was ever meant for gifts.

        `later`: what was open is gone, and more may come. `paused`: nothing is to be had before staff let it go on.
        `used_up`: all of it is taken. `over`: what is left belongs to pools that have ended.
        """
        pools = [pool for pool in self.pools if not pool.is_award]
        with_money = {pool.state for pool in pools if pool.free_minor}
        is_to_come = not with_money.isdisjoint(("not_yet_open", "locked"))
        was_open = any(pool.state in ("paused", "used_up", "closed") for pool in pools)
        if not pools or "open" in with_money or (is_to_come and not was_open):
            return ""
        if is_to_come:
            return "later"
        if "paused" in with_money:
            return "paused"
        return "used_up" if any(pool.state == "used_up" for pool in pools) or not with_money else "over"

    @property
    def taken_minor(self) -> int:
        """Of what matches gifts, all that is given or held: while the match is used up, always the same sum."""
        return sum(pool.matched_minor + pool.held_minor for pool in self.pools if not pool.is_award)

    @property
    def challenges(self) -> list[PublicPool]:
        """What pages show with a bar: locked pools, and sums that wait for their target or have just been given."""
        return [pool for pool in self.pools if pool.state in ("locked", "running", "met", "given")]

    @property
    def limit_minor(self) -> int:
        return self.matched_minor + self.held_minor + self.free_minor


def figures(*, campaign: Campaign, now: datetime, shown_as: str | None = None) -> Figures | None:
    """All figures of a campaign, about a second old; older when counting them takes long, None when it takes too long.

    With the cache down they are counted for each page. shown_as: for staff who preview a page, the state in which the
    pools are to be seen (matching.shown_states; empty: as they are); such figures are counted now and never kept.
    """
    if shown_as is not None:
        return _count(campaign=campaign, now=now, shown_as=shown_as)
    key = f"figures:{_SHAPE}:{campaign.pk}"
    make, until = partial(_count, campaign=campaign, now=now), partial(next_change, now=now)
    found = spared(key, now=now, make=make, is_wanted=True, until=until)
    return replace(found[1], made_at=found[0]) if found else None


def recent_gifts(
    *, campaign: Campaign, fund: Fund | None, limit: int, now: datetime, shown_as: str | None = None
) -> list[PublicGift] | None:
    """The newest gifts as their donors let the public see them; of one fund when given. None: not to be had now."""
    fund_id = fund.pk if fund else None
    if shown_as is not None:
        return gift_queries.recent_public_gifts(campaign_id=campaign.pk, fund_id=fund_id, limit=limit)
    # What staff hide is gone with its copies: also with one that is being made, or that a slow database keeps long.
    cleared = campaign.wall_cleared_at.timestamp() if campaign.wall_cleared_at else 0
    found = spared(
        f"recent:{_SHAPE}:{campaign.pk}:{cleared}:{fund_id}:{limit}",
        now=now,
        make=lambda: gift_queries.recent_public_gifts(campaign_id=campaign.pk, fund_id=fund_id, limit=limit),
        until=partial(quarter_end, now),
    )
    return found[1] if found else None


def hours(*, campaign: Campaign, now: datetime, shown_as: str | None = None) -> Hours | None:
    """The campaign's hours so far, its last _MOST_HOURS at most, in its time zone. None before the opening, and when
    they are not to be had now."""
    if now < campaign.opens_at:
        return None
    if shown_as is not None:
        return _hours(campaign=campaign, now=now)
    make, until = partial(_hours, campaign=campaign, now=now), partial(_hour_end, campaign=campaign, now=now)
    found = spared(f"hours:{_SHAPE}:{campaign.pk}", now=now, make=make, until=until)
    return found[1] if found else None


def teams(*, campaign: Campaign, now: datetime, shown_as: str | None = None) -> list[TeamStanding] | None:
    """Departments and teams by what was given for them, 0..n. None: not to be had now."""
    if not rows(campaign.teams.all()):
        return []
    make = partial(standings.teams, campaign_id=campaign.pk)
    if shown_as is not None:
        return make()
    found = spared(f"teams:{_SHAPE}:{campaign.pk}", now=now, make=make, until=partial(quarter_end, now))
    return found[1] if found else None


def regions(*, campaign: Campaign, now: datetime, shown_as: str | None = None) -> list[PlaceStanding] | None:
    """States and countries by their donors, 0..n, none of few; minutes old where gifts are very many. None: not to be
    had now."""
    make = partial(standings.places, campaign_id=campaign.pk)
    if shown_as is not None:
        return make()
    key, until = f"regions:{_SHAPE}:{campaign.pk}", partial(quarter_end, now)
    found = spared(key, now=now, make=make, fresh_for=_REGIONS_FOR, until=until, is_seldom=True)
    return found[1] if found else None


def reached_at(*, campaign: Campaign, found: Figures, now: datetime) -> dict[int, datetime]:
    """When each reached milestone was, by its amount; empty when that is not to be had now. Minutes old, but never
    without the newest."""
    amounts = [row.amount_minor for row in found.milestones if row.is_reached]
    if not amounts:
        return {}
    make = partial(gift_queries.reached_at, campaign_id=campaign.pk, amounts=amounts)
    key = f"reached:{_SHAPE}:{campaign.pk}:{'-'.join(map(str, amounts))}"
    kept = spared(key, now=now, make=make, is_wanted=True, fresh_for=_REACHED_FOR, is_seldom=True)
    return kept[1] if kept else {}


def leaderboard(*, found: Figures, funds: Iterable[Fund]) -> list[Place]:
    """Funds that got gifts, by what they raised; equal ones in the funds' own order. 0..n."""
    raised = [(fund, found.by_fund[fund.pk]) for fund in funds if fund.pk in found.by_fund]
    raised = sorted((pair for pair in raised if pair[1].raised_minor), key=lambda pair: -pair[1].raised_minor)
    return [Place(fund, totals, totals.raised_minor / raised[0][1].raised_minor) for fund, totals in raised]


def match_line(
    *, campaign: Campaign, fund: Fund, amount_minor: int, now: datetime, shown_as: str | None = None
) -> MatchLine:
    """What the match would add to a gift of this amount to this fund, sent now. shown_as: as for figures()."""
    parts = ((fund.pk, amount_minor),) if amount_minor else ()
    if shown_as is not None:
        return match_line_for(campaign=campaign, parts=parts, now=now, pools=shown_as)
    return fresh(
        f"line:{campaign.pk}:{fund.pk}:{amount_minor}",
        now=now,
        make=lambda: match_line_for(campaign=campaign, parts=parts, now=now),
        until=partial(next_change, now=now),
    )[1]


def _count(*, campaign: Campaign, now: datetime, shown_as: str = "") -> Figures:
    totals = gift_queries.totals(campaign_id=campaign.pk)
    return Figures(
        made_at=now,
        totals=totals,
        by_fund=gift_queries.fund_totals(campaign_id=campaign.pk),
        pools=tuple(
            _public(row, campaign=campaign, now=now)
            for row in pool_figures(campaign=campaign, now=now, shown_as=shown_as)
        ),
        milestones=tuple(
            PublicMilestone(row.amount_minor, row.text, is_reached=row.amount_minor <= totals.raised_minor)
            for row in rows(campaign.milestones.all())
        ),
    )


def _hours(*, campaign: Campaign, now: datetime) -> Hours:
    """Whole hours from the opening on; the one that has begun is among them.

    An hour of one or two gifts has no amounts: beside the wall they would tell what a donor hides.
    """
    end = min(_hour_end(campaign=campaign, now=now), campaign.closes_at)
    start = max(campaign.opens_at, end - HOUR * _MOST_HOURS)
    found = gift_queries.gifts_by_hour(campaign_id=campaign.pk, start=start, end=end)
    found = [replace(hour, raised_minor=0, matched_minor=0) if _tells(hour) else hour for hour in found]
    return Hours(tuple(found), hour_chart(hours=found, zone=campaign.tz), is_whole=start == campaign.opens_at)


def _hour_end(*, campaign: Campaign, now: datetime) -> datetime:
    """The end of the hour that has begun: hours are counted from the opening on."""
    return campaign.opens_at + HOUR * ((now - campaign.opens_at) // HOUR + 1)


def _tells(hour: HourFigures) -> bool:
    return 0 < hour.gift_count < _FEWEST_IN_AN_HOUR


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
