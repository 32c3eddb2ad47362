"""What pages need to show the campaign at a moment: its countdown in words, its figures, and the parts that are on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext, gettext_lazy

from campaign import figures
from campaign.countdown import clock_text, countdown, end_text, start_text
from campaign.kept_pages import CLOCK
from campaign.kept_rows import rows
from campaign.models import Campaign, Fund
from campaign.money import format_amount_short

WALL_PAGE, WALL_PAGES = 12, 8
SCREEN_NAMES = 4
TEAMS, REGIONS = gettext_lazy("Departments and teams"), gettext_lazy("Where donors live")
HOURS = gettext_lazy("Gifts by hour")
# What the band says while staff's own words would promise a match that is not to be had, by Figures.match_stage.
_UNMATCHED = {
    "later": (
        gettext_lazy("More match is still to come."),
        gettext_lazy("Right now no matching dollar is free. Gifts go straight to work all the same, every dollar."),
    ),
    "paused": (
        gettext_lazy("The match is paused."),
        gettext_lazy("Gifts sent now are not matched. They go straight to work all the same, every dollar."),
    ),
    "used_up": (
        gettext_lazy("Every matching dollar is taken."),
        gettext_lazy("All of it is given, or held for donors who are paying now. Gifts still go straight to work."),
    ),
    "over": (
        gettext_lazy("The match has ended."),
        gettext_lazy("Gifts still go straight to work, every dollar."),
    ),
    # Nobody knows: the figures take a break.
    "unknown": (
        gettext_lazy("Every gift goes straight to work."),
        gettext_lazy("You see before you pay whether yours is matched, and with how much."),
    ),
}
STAGES = tuple(_UNMATCHED)


@dataclass(frozen=True, slots=True)
class Words:
    """What the band says and asks. stage: one of STAGES, empty while it says what staff wrote."""

    heading: str
    lead: str
    action: str
    stage: str = ""


def figures_of(campaign: Campaign | None, *, now: datetime, shown_as: str | None = None) -> dict[str, Any]:
    """figures: None when they are not to be had now. shown_as: for a preview, as figures.figures() takes it."""
    if campaign is None:
        return {"campaign": None}
    found = figures.figures(campaign=campaign, now=now, shown_as=shown_as)
    at = clock_text(found.made_at, campaign=campaign, seconds=True) if found else ""
    return {"campaign": campaign, "figures": found, "figures_at": at}


def banner(campaign: Campaign, *, now: datetime, is_slim: bool = False, shown_as: str | None = None) -> dict[str, Any]:
    """What the band needs: the countdown with its moment in words, and the figures."""
    context = figures_of(campaign, now=now, shown_as=shown_as)
    words = band_words(campaign, found=context["figures"], now=now)
    count = countdown(campaign=campaign, now=now)
    return context | {
        "band_heading": words.heading,
        "band_lead": words.lead,
        "band_action": words.action,
        "match_stage": words.stage,
        "band_state": band_state(count.stage, words.stage),
        "count": count,
        "now": now,
        "now_ms": int(now.timestamp() * 1000),
        "now_text": clock_text(now, campaign=campaign, seconds=True),
        "opens_text": start_text(campaign.opens_at, campaign=campaign),
        "closes_text": end_text(campaign.closes_at, campaign=campaign),
        "band_takes_gifts": takes_gifts(campaign, now=now),
        "is_final": count.phase == "closed" and _is_final(campaign, context["figures"]),
        "is_slim": is_slim,
    }


def band_words(campaign: Campaign, *, found: figures.Figures | None, now: datetime) -> Words:
    """Staff's words for the phase, unless they would promise a match: when none is to be had, that is said instead.

    found: None when the figures are not to be had; then nothing is promised. Before gifts are taken staff's
    announcement stands, and after the end their thanks.
    """
    heading, lead = campaign.words(now=now)
    if campaign.phase(now=now) == "closed" or not takes_gifts(campaign, now=now):
        return Words(heading, lead, campaign.action_label)
    stage = found.match_stage if found else "unknown"
    if not stage:
        return Words(heading, lead, campaign.action_label)
    heading, lead = (str(words) for words in _UNMATCHED[stage])
    if stage == "used_up" and found and campaign.shows_figures and found.taken_minor:
        taken = format_amount_short(found.taken_minor, currency=campaign.currency)
        lead = gettext(
            "All %(taken)s of it is given, or held for donors who are paying now. Gifts still go straight to work."
        ) % {"taken": taken}
    return Words(heading, lead, gettext("Give now"), stage)


def _is_final(campaign: Campaign, found: figures.Figures | None) -> bool:
    """After the end: whether open pages need not ask again. A copy of the last second still calls money free."""
    return not campaign.shows_figures or (found is not None and found.made_at >= campaign.closes_at)


def band_state(stage: str, match_stage: str) -> str:
    """Names a copy of the band: by the countdown's stage, and by what of the match is gone."""
    return f"{stage}-{match_stage}" if match_stage else stage


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
