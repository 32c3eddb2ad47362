"""The public pages as they will be: at any moment, with the pools in any state, drafts included. For staff alone."""

import copy
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, QueryDict
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
from matching.models import MatchPool
from matching.queries import pools_with_terms
from matching.shown_states import OF_CHALLENGES, STATES, shown_as

_PAGES = {**pages.PAGES, "give": previewed}
_OF_CAMPAIGN = ("live", "wall", "fund-wall", "embed")
_LONGEST = 200
_MOST_PAGES = 200


@require_safe
@needs("campaign.view_fund")
@opens_for_videos
def preview(request: HttpRequest) -> HttpResponseBase:
    """?page=/funds/education/&at=2026-12-01T23:30&pools=last&pool=3: `at` in the campaign's time zone, now when empty.

    page: an address with its own question, such as /give/?fund=nursing. pools: how the match money is shown; pool: of
    one pool alone. The very templates that visitors get, with a bar above them. What cannot be read is said in that
    bar, and the page is shown as it is now.
    """
    asked = {name: request.GET.get(name, "")[:_LONGEST] for name in ("page", "at", "pools", "pool")}
    asked["page"] = asked["page"] or "/"
    campaign, now = Campaign.objects.current(), timezone.now()
    at = _moment(asked["at"], campaign=campaign)
    problems = []
    if asked["at"] and at is None:
        problems.append(gettext("That moment cannot be read: write it like 2026-12-01T09:30. This is the page now."))
    name, found, question = _page(asked["page"], campaign=campaign)
    if name not in _PAGES:
        sentence = gettext("The address %(address)s cannot be previewed: choose a page of the list. This is the first.")
        problems.append(sentence % {"address": asked["page"]})
        asked["page"], name, found = "/", "home", {}
    each_pool = list(pools_with_terms(campaign=campaign)) if campaign else []
    problems += _settle_pools(asked, each_pool=each_pool)
    one_pool = next((pool for pool in each_pool if str(pool.pk) == asked["pool"]), None)
    bar = _bar(campaign, asked=asked, at=at or now, problems=problems)
    bar |= {"each_pool": [(str(pool.pk), str(pool)) for pool in each_pool]}
    bar |= {"one_pool": str(one_pool) if one_pool and asked["pools"] else ""}
    shown = shown_as(asked["pools"], pool_id=one_pool.pk if one_pool else None)
    visit = copy.copy(request)
    visit.GET = QueryDict(question)
    return _PAGES[name](visit, **found, sight=pages.Sight(now=at or now, pools=shown, bar=bar))


def _settle_pools(asked: dict[str, str], *, each_pool: Sequence[MatchPool]) -> list[str]:
    """What is wrong with the state or the pool that is asked for; what is left of them can be shown."""
    problems = []
    if asked["pools"] not in STATES:
        problems.append(gettext("There is no such state of the pools: they are shown as they are."))
        asked["pools"] = ""
    if asked["pool"] and asked["pool"] not in {str(pool.pk) for pool in each_pool}:
        problems.append(gettext("There is no such pool: this is of all."))
        asked["pool"] = ""
    concerned = [pool.terms for pool in each_pool if asked["pool"] in ("", str(pool.pk))]
    if asked["pools"] in OF_CHALLENGES and not any(terms.has_target for terms in concerned):
        problems.append(gettext("None of this money waits for a challenge: it is shown as it is."))
        asked["pools"] = ""
    if asked["pools"] and concerned and asked["pools"] not in OF_CHALLENGES:
        if any(terms.matches_gifts for terms in concerned):
            return problems
        problems.append(gettext("This money matches no gifts, it is given when a challenge is reached."))
        asked["pools"] = ""
    return problems


def _page(address: str, *, campaign: Campaign | None) -> tuple[str, dict[str, Any], str]:
    """The name of the address, what it names, and its question; an empty name when there is nothing to be shown."""
    try:
        parts = urlsplit(address)
        found = resolve(parts.path) if not parts.netloc else None
    except (Resolver404, ValueError):
        found = None
    if found is None:
        return "", {}, ""
    name, named = found.url_name or "", found.kwargs
    slug = named.get("slug")
    is_missing = name == "fund" and not Fund.objects.filter(slug=slug).exists()
    is_missing |= name == "story" and not Story.objects.filter(slug=slug).exists()
    is_missing |= name == "fund-wall" and not (campaign and campaign.funds.filter(slug=slug).exists())
    is_missing |= name in _OF_CAMPAIGN and campaign is None
    is_missing |= name == "embed" and named["kind"] not in pages.EMBEDS
    return ("", {}, "") if is_missing else (name, named, parts.query)


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
        "pages": _pages(campaign, asked=asked["page"]),
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


def _pages(campaign: Campaign | None, *, asked: str) -> list[tuple[str, str]]:
    """Address and name of every page there is to preview, drafts marked; the one asked for, whatever it is."""
    listed = [
        (reverse("home"), gettext("First page")),
        (reverse("funds"), gettext("Funds")),
        (reverse("stories"), gettext("Stories")),
        (reverse("match"), gettext("How the match works")),
        (reverse("give"), gettext("Giving form")),
    ]
    if campaign:
        for fund in campaign.open_funds[:_MOST_PAGES]:
            listed += [(f"{reverse('give')}?fund={fund.slug}", gettext("Giving form: %(fund)s") % {"fund": fund})]
        listed += [(reverse("wall"), gettext("The newest gifts")), (reverse("live"), gettext("Live screen"))]
        listed += [(reverse("embed", args=["countdown"]), gettext("On other sites: countdown"))]
        listed += [(reverse("embed", args=["progress"]), gettext("On other sites: progress"))]
    rows: list[Fund | Story] = [*Fund.objects.all()[:_MOST_PAGES], *Story.objects.all()[:_MOST_PAGES]]
    listed += [(row.get_absolute_url(), str(row) if row.is_published else _draft(row)) for row in rows]
    return listed if asked in dict(listed) else [(asked, asked), *listed]


def _draft(row: Fund | Story) -> str:
    return gettext("%(page)s (draft)") % {"page": row}
