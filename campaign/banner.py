"""What pages need to show the campaign at a moment: its countdown in words, its figures, and the parts that are on."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy

from campaign import figures
from campaign.countdown import clock_text, countdown, end_text, start_text
from campaign.kept_pages import CLOCK
from campaign.kept_rows import rows
from campaign.models import Campaign, Fund

WALL_PAGE, WALL_PAGES = 12, 8
SCREEN_NAMES = 4
TEAMS, REGIONS = gettext_lazy("Departments and teams"), gettext_lazy("Where donors live")
HOURS = gettext_lazy("Gifts by hour")


def figures_of(campaign: Campaign | None, *, now: datetime, shown_as: str | None = None) -> dict[str, Any]:
    """figures: None when they are not to be had now. shown_as: for a preview, as figures.figures() takes it."""
    if campaign is None:
        return {"campaign": None}
    found = figures.figures(campaign=campaign, now=now, shown_as=shown_as)
    at = clock_text(found.made_at, campaign=campaign, seconds=True) if found else ""
    return {"campaign": campaign, "figures": found, "figures_at": at}


def banner(campaign: Campaign, *, now: datetime, is_slim: bool = False, shown_as: str | None = None) -> dict[str, Any]:
    """What the band needs: the countdown with its moment in words, and the figures."""
    heading, lead = campaign.words(now=now)
    return figures_of(campaign, now=now, shown_as=shown_as) | {
        "band_heading": heading,
        "band_lead": lead,
        "count": countdown(campaign=campaign, now=now),
        "now": now,
        "now_ms": int(now.timestamp() * 1000),
        "now_text": clock_text(now, campaign=campaign, seconds=True),
        "opens_text": start_text(campaign.opens_at, campaign=campaign),
        "closes_text": end_text(campaign.closes_at, campaign=campaign),
        "band_takes_gifts": takes_gifts(campaign, now=now),
        "is_slim": is_slim,
    }


def live_parts(context: dict[str, Any], *, shown_as: str | None = None) -> dict[str, Any]:
    """Leaderboards, milestones and hours for a banner's context: each only when staff have it on and it has content.

    hours, teams, regions: None when they are off, or cannot be had now; `resting` has the headings of the latter.
    """
    campaign, found, now = context["campaign"], context["figures"], context["now"]
    has_gifts = bool(found and found.totals.gift_count)
    wants_hours = campaign.shows_hours and has_gifts and now >= campaign.opens_at
    hours = figures.hours(campaign=campaign, now=now, shown_as=shown_as) if wants_hours else None
    wants_teams, wants_regions = campaign.shows_teams and has_gifts, campaign.shows_regions and has_gifts
    teams = figures.teams(campaign=campaign, now=now, shown_as=shown_as) if wants_teams else None
    regions = figures.regions(campaign=campaign, now=now, shown_as=shown_as) if wants_regions else None
    funds = rows(campaign.funds.all()) if campaign.shows_leaderboard else []
    parts = ((TEAMS, wants_teams, teams), (REGIONS, wants_regions, regions), (HOURS, wants_hours, hours))
    return {
        "places": figures.leaderboard(found=found, funds=[fund for fund in funds if fund.is_public(now=now)])
        if found and campaign.shows_leaderboard
        else [],
        "milestones": found.milestones if found and campaign.shows_milestones else (),
        "teams": teams,
        "most_minor": max((team.raised_minor or 0 for team in teams or ()), default=0),
        "regions": regions,
        "hours": hours,
        "resting": [heading for heading, is_wanted, part in parts if is_wanted and part is None],
    }


def wall(
    campaign: Campaign, *, fund: Fund | None, page: int, now: datetime, shown_as: str | None = None
) -> dict[str, Any]:
    """The newest gifts up to this page of WALL_PAGE each, 1 and up; next_page: 0 when there are no more to show.

    Each page holds those before it, too: gifts that come meanwhile push none out between two pages.
    """
    if not campaign.shows_wall:
        return {"gifts": [], "is_wall_on": False}
    limit = WALL_PAGE * page
    found = figures.recent_gifts(campaign=campaign, fund=fund, limit=limit + 1, now=now, shown_as=shown_as)
    return {
        "gifts": found[:limit] if found is not None else None,
        "next_page": page + 1 if found is not None and len(found) > limit and page < WALL_PAGES else 0,
        "wall_page": page,
        "is_wall_on": True,
        "now": now,
    }


def screen_parts(context: dict[str, Any], *, shown_as: str | None = None) -> dict[str, Any]:
    """What the screen shows beside the banner's context: the wall's newest gifts, from the copy that pages use."""
    campaign, now = context["campaign"], context["now"]
    gifts = wall(campaign, fund=None, page=1, now=now, shown_as=shown_as)["gifts"] if campaign.shows_screen else []
    return {"gifts": (gifts or [])[:SCREEN_NAMES]}


def takes_gifts(campaign: Campaign, *, now: datetime) -> bool:
    return campaign.takes_gifts_early or campaign.phase(now=now) != "before"


def with_clock(response: HttpResponse, context: dict[str, Any]) -> HttpResponse:
    """The server's clock as a header, by which countdowns run."""
    if "now_ms" in context:
        response.headers[CLOCK] = str(context["now_ms"])
    return response
