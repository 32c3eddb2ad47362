"""The public pages as they will be: at any moment, with the pools in any state, drafts included. For staff alone."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from campaign import pages
from campaign.countdown import last_hour_begins, start_text
from campaign.models import Campaign, Fund, Story
from campaign.views import opens_for_videos
from donations.roles import needs
from donations.views.give import previewed
from matching.shown_states import STATES

_PAGES = {**pages.PAGES, "give": previewed}
_LONGEST = 200
_MOST_PAGES = 200


@require_safe
@needs("campaign.view_fund")
@opens_for_videos
def preview(request: HttpRequest) -> HttpResponseBase:
    """?page=/funds/education/&at=2026-12-01T23:30&pools=last: `at` in the campaign's time zone, now when empty.

    The very templates that visitors get, with a bar above them. What cannot be read is said in that bar, and the page
    is shown as it is now.
    """
    asked = {name: request.GET.get(name, "")[:_LONGEST] for name in ("page", "at", "pools")}
    asked["page"] = asked["page"] or "/"
    campaign, problems = Campaign.objects.current(), []
    now = timezone.now()
    at = _moment(asked["at"], campaign=campaign)
    if asked["at"] and at is None:
        problems.append(gettext("That moment cannot be read: write it like 2026-12-01T09:30. This is the page now."))
    if asked["pools"] not in STATES:
        problems.append(gettext("There is no such state of the pools: they are shown as they are."))
        asked["pools"] = ""
    name, found = _page(asked["page"])
    if name not in _PAGES:
        problems.append(gettext("There is no page of that address to preview: this is the first page."))
        asked["page"], name, found = "/", "home", {}
    bar = _bar(campaign, asked=asked, at=at or now, problems=problems)
    return _PAGES[name](request, **found, sight=pages.Sight(now=at or now, pools=asked["pools"], bar=bar))


def _page(address: str) -> tuple[str, dict[str, Any]]:
    """The name of the address and what it names; an empty name when there is no such page, or it shows no such row."""
    try:
        found = resolve(address)
    except Resolver404:
        return "", {}
    name, slug = found.url_name or "", found.kwargs.get("slug")
    rows = {"fund": Fund.objects.filter(slug=slug), "story": Story.objects.filter(slug=slug)}
    return ("", {}) if name in rows and not rows[name].exists() else (name, found.kwargs)


def _moment(typed: str, *, campaign: Campaign | None) -> datetime | None:
    """What a browser's field for date and time sends, in the campaign's time zone; None when it is no moment."""
    try:
        local = parse_datetime(typed)
    except ValueError:
        return None
    if local is None or not 2000 <= local.year <= 2100:
        return None
    return local if timezone.is_aware(local) else local.replace(tzinfo=(campaign or Campaign()).tz)


def _bar(campaign: Campaign | None, *, asked: dict[str, str], at: datetime, problems: list[str]) -> dict[str, Any]:
    local = at.astimezone((campaign or Campaign()).tz)
    return {
        "asked": asked,
        "at_text": start_text(at, campaign=campaign) if campaign else str(local),
        "at_value": f"{local:%Y-%m-%dT%H:%M}",
        "moments": _moments(campaign) if campaign else [],
        "pools": STATES.items(),
        "pools_text": STATES[asked["pools"]],
        "pages": _pages(),
        "problems": problems,
    }


def _moments(campaign: Campaign) -> list[tuple[str, str]]:
    """The moments at which pages change, as the bar's links name them."""
    hour, last_hour = timedelta(hours=1), last_hour_begins(campaign)
    named = [
        (gettext("A week before"), campaign.opens_at - 7 * 24 * hour),
        (gettext("The opening"), campaign.opens_at),
        (gettext("Live"), campaign.opens_at + (campaign.closes_at - campaign.opens_at) / 2),
        *([(gettext("The last hour"), last_hour)] if last_hour else []),
        (gettext("Ended"), campaign.closes_at),
    ]
    return [(words, f"{moment.astimezone(campaign.tz):%Y-%m-%dT%H:%M}") for words, moment in named]


def _pages() -> list[tuple[str, str]]:
    """Address and name of every page there is to preview, drafts marked."""
    fixed = [("home", gettext("First page")), ("funds", gettext("Funds")), ("stories", gettext("Stories"))]
    fixed += [("match", gettext("How the match works")), ("give", gettext("Giving form"))]
    rows: list[Fund | Story] = [*Fund.objects.all()[:_MOST_PAGES], *Story.objects.all()[:_MOST_PAGES]]
    drafts = [(row.get_absolute_url(), str(row) if row.is_published else _draft(row)) for row in rows]
    return [*((reverse(name), words) for name, words in fixed), *drafts]


def _draft(row: Fund | Story) -> str:
    return gettext("%(page)s (draft)") % {"page": row}
