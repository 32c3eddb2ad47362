"""How each public page is made, for visitors now and for staff who preview it at another moment: the same code.

Sight       what a page shows: at which moment, the pools in which state, with drafts or without.
home() ...  a page as it is answered. Anybody may read what comes of a Sight without preview.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from campaign import figures
from campaign.banner import banner, figures_of, live_parts, screen_parts, takes_gifts, wall, with_clock
from campaign.copies import fresh
from campaign.kept_rows import current_campaign, organization, rows
from campaign.models import Campaign, Fund, Section, Story
from campaign.models.pages import Publishable
from campaign.stamps import quarter_end
from campaign.structured_data import campaign_data, fund_data
from matching.heads import latest_head
from matching.queries import ledger_entries, standing

Page = TypeVar("Page", bound=Publishable)
Told = TypeVar("Told", Fund, Story)
# What a frame for other sites shows and how high it is: from 280 pixels of width on nothing needs to be scrolled to.
EMBEDS = {"countdown": 290, "progress": 370}


@dataclass(frozen=True, slots=True)
class Sight:
    """now: aware, the moment shown. pools: as matching.shown_states makes it, or empty for what they are.

    bar: what the bar above a preview says; None for visitors. A preview has drafts, and nothing on it renews itself.
    """

    now: datetime
    pools: str = ""
    bar: dict[str, Any] | None = None

    @property
    def is_preview(self) -> bool:
        return self.bar is not None

    @property
    def shown_as(self) -> str | None:
        """As figures take it: None for visitors, who get kept copies."""
        return self.pools if self.is_preview else None


def home(request: HttpRequest, *, sight: Sight) -> HttpResponse:
    campaign = current_campaign()
    if campaign is None:
        return _made(request, "campaign/no_campaign.html", {"funds": _funds(None, sight=sight)}, sight=sight)
    context = banner(campaign, now=sight.now, shown_as=sight.shown_as) | {
        "funds": _funds(campaign, sight=sight),
        "featured": next(iter(_seen(rows(Story.objects.all()), sight=sight)), None),
        **wall(campaign, fund=None, page=1, now=sight.now, shown_as=sight.shown_as),
    }
    context |= live_parts(context, shown_as=sight.shown_as)
    context["structured"] = campaign_data(campaign=campaign, lead=context["band_lead"], organization=organization())
    return _made(request, "campaign/home.html", context, sight=sight)


def funds(request: HttpRequest, *, sight: Sight) -> HttpResponse:
    campaign = current_campaign()
    context = figures_of(campaign, now=sight.now, shown_as=sight.shown_as) | {"funds": _funds(campaign, sight=sight)}
    return _made(request, "campaign/funds.html", context, sight=sight)


def fund(request: HttpRequest, slug: str, *, sight: Sight) -> HttpResponse:
    found = _named(slug, rows(Fund.objects.all(), "presets"), sight=sight)
    campaign = current_campaign()
    context: dict[str, Any] = {"fund": found, "takes_gifts": False} | _sections(found, sight=sight)
    if campaign is not None:
        is_in = found in rows(campaign.funds.all())
        context |= banner(campaign, now=sight.now, is_slim=True, shown_as=sight.shown_as)
        context |= {
            "takes_gifts": is_in and found.is_open and takes_gifts(campaign, now=sight.now),
            **wall(campaign, fund=found, page=1, now=sight.now, shown_as=sight.shown_as),
            "fund_totals": _fund_totals(context["figures"], fund=found, campaign=campaign),
            **_give_box(campaign, fund=found, sight=sight),
            "structured": fund_data(fund=found, organization=organization()),
        }
    return _made(request, "campaign/fund.html", context, sight=sight)


def stories(request: HttpRequest, *, sight: Sight) -> HttpResponse:
    context = {"stories": _seen(rows(Story.objects.all()), sight=sight)}
    return _made(request, "campaign/stories.html", context, sight=sight)


def story(request: HttpRequest, slug: str, *, sight: Sight) -> HttpResponse:
    told = _named(slug, rows(Story.objects.select_related("fund")), sight=sight)
    context = {
        "story": told,
        "fund": told.fund,
        "takes_gifts": told.fund is not None and told.fund.is_open,
        "others": [other for other in _seen(rows(Story.objects.all()), sight=sight) if other != told][:3],
        **_sections(told, sight=sight),
    }
    return _made(request, "campaign/story.html", context, sight=sight)


def match(request: HttpRequest, *, sight: Sight, reference: str = "") -> HttpResponse:
    """Who matches and what is left; a reference looks one match up in the ledger, without anybody's name."""
    context = figures_of(current_campaign(), now=sight.now, shown_as=sight.shown_as)
    _, head = fresh("latest-head", now=sight.now, make=latest_head, until=partial(quarter_end, sight.now))
    context |= {"head": head, "site_url": settings.SITE_URL}
    if reference:
        entries = ledger_entries(reference=reference)
        context |= {"reference": reference, "entries": entries, "stands": standing(entries)}
    return _made(request, "campaign/match.html", context, sight=sight)


def gift_wall(request: HttpRequest, slug: str = "", *, sight: Sight, page: int = 1) -> HttpResponse:
    """The newest gifts to the campaign or one of its funds."""
    return _made(request, "campaign/wall.html", gift_wall_parts(slug, sight=sight, page=page), sight=sight)


def gift_wall_parts(slug: str, *, sight: Sight, page: int) -> dict[str, Any]:
    """What the wall shows, with its campaign and fund. Raises Http404 for a fund that is not to be seen."""
    campaign = _campaign()
    fund = _named(slug, rows(campaign.funds.all()), sight=sight) if slug else None
    shown = wall(campaign, fund=fund, page=page, now=sight.now, shown_as=sight.shown_as)
    return shown | {"campaign": campaign, "fund": fund}


def live(request: HttpRequest, *, sight: Sight) -> HttpResponse:
    """The screen for the lobby and the gala."""
    context = banner(_campaign(), now=sight.now, shown_as=sight.shown_as)
    return _made(request, "campaign/live.html", context | screen_parts(context, shown_as=sight.shown_as), sight=sight)


def embed(request: HttpRequest, kind: str, *, sight: Sight, template: str = "campaign/embed.html") -> HttpResponse:
    """A frame for other sites: one of EMBEDS."""
    if kind not in EMBEDS:
        raise Http404("There is no such frame.")
    context = banner(_campaign(), now=sight.now, shown_as=sight.shown_as)
    context |= {"kind": kind, "part_name": embed_part(kind)}
    return _made(request, template, context, sight=sight)


def embed_part(kind: str) -> str:
    """The template of what is in a frame."""
    return f"campaign/_embed_{kind}.html"


# By the names of their addresses: what staff may preview.
PAGES: dict[str, Callable[..., HttpResponse]] = {
    "home": home,
    "funds": funds,
    "fund": fund,
    "stories": stories,
    "story": story,
    "match": match,
    "wall": gift_wall,
    "fund-wall": gift_wall,
    "live": live,
    "embed": embed,
}


def _campaign() -> Campaign:
    campaign = current_campaign()
    if campaign is None:
        raise Http404("There is no campaign.")
    return campaign


def _made(request: HttpRequest, template: str, context: dict[str, Any], *, sight: Sight) -> HttpResponse:
    return with_clock(render(request, template, context | {"preview": sight.bar}), context)


def _seen(pages: Iterable[Page], *, sight: Sight) -> list[Page]:
    """Those of these pages that are to be seen: staff who preview see drafts, too."""
    return [page for page in pages if sight.is_preview or page.is_public(now=sight.now)]


def _named(slug: str, pages: Iterable[Told], *, sight: Sight) -> Told:
    for page in _seen(pages, sight=sight):
        if page.slug == slug:
            return page
    raise Http404("There is no such page.")


def _funds(campaign: Campaign | None, *, sight: Sight) -> list[Fund]:
    found = campaign.funds.all() if campaign else Fund.objects.filter(is_open=True)
    return _seen(rows(found), sight=sight)


def _sections(page: Fund | Story, *, sight: Sight) -> dict[str, Any]:
    """The parts of a page that are to be seen, in order, and what the page must load for them."""
    found = rows(page.sections.select_related("featured"), "items")
    shown = [row for row in found if row.is_shown(now=sight.now, with_drafts=sight.is_preview)]
    kinds = {row.kind for row in shown}
    return {
        "sections": shown,
        "has_video": Section.Kind.VIDEO in kinds,
        "has_appeal": Section.Kind.APPEAL in kinds,
    }


def _fund_totals(found: figures.Figures | None, *, fund: Fund, campaign: Campaign) -> figures.Totals | None:
    return found.by_fund.get(fund.pk) if found and campaign.shows_figures else None


def _give_box(campaign: Campaign, *, fund: Fund, sight: Sight) -> dict[str, Any]:
    """The box beside a fund: the suggested gifts, the second one chosen, and what the match adds to it."""
    presets = campaign.suggested_gifts(fund)
    chosen_minor = presets[min(1, len(presets) - 1)][0] if presets else 0
    return {
        "presets": presets,
        "chosen_minor": chosen_minor,
        "line": figures.match_line(
            campaign=campaign, fund=fund, amount_minor=chosen_minor, now=sight.now, shown_as=sight.shown_as
        ),
    }
