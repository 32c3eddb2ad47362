"""What is read by machines: the pictures of shared links, the sitemap, robots.txt and the feed."""

from datetime import datetime, timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.feedgenerator import Rss201rev2Feed
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from campaign import figures, page_dates, palette
from campaign.banner import band_words
from campaign.copies import fresh
from campaign.counts import count_text
from campaign.kept_pages import kept_for_a_second
from campaign.logos import stored_logo
from campaign.models import Campaign, Fund, Organization, Story
from campaign.models.pages import published
from campaign.money import format_amount_short, format_amount_whole
from campaign.share_pictures import share_picture

PICTURE_FOR = timedelta(minutes=1)  # drawing takes longer than a page; who shares a link looks once
_MOST_STORIES = 50
for_an_hour = cache_control(public=True, max_age=3600)


@require_safe
@cache_control(public=True, max_age=60)
@kept_for_a_second()
def campaign_picture(request: HttpRequest) -> HttpResponse:
    campaign = Campaign.objects.current()
    if campaign is None:
        raise Http404("There is no campaign.")
    return _picture(campaign, fund=None)


@require_safe
@cache_control(public=True, max_age=60)
@kept_for_a_second()
def fund_picture(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = Campaign.objects.current()
    if campaign is None:
        raise Http404("There is no campaign.")
    return _picture(campaign, fund=get_object_or_404(Fund, published(now=timezone.now()), slug=slug))


@require_safe
@for_an_hour
@kept_for_a_second()
def sitemap(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    pages: list[tuple[str, datetime | None]]
    pages = [(reverse(name), None) for name in ("home", "funds", "stories", "match", "give")]
    for found in (Fund.objects.filter(published(now=now)), Story.objects.filter(published(now=now))):
        changed_at = page_dates.changed_at(found)
        pages += [(page.get_absolute_url(), changed_at.get(page.pk)) for page in found]
    return render(request, "campaign/sitemap.xml", {"addresses": pages}, content_type="application/xml")


@require_safe
@for_an_hour
@kept_for_a_second()
def robots(request: HttpRequest) -> HttpResponse:
    return render(request, "campaign/robots.txt", content_type="text/plain; charset=utf-8")


@require_safe
@for_an_hour
@kept_for_a_second()
def feed(request: HttpRequest) -> HttpResponse:
    """Reached milestones and the newest stories, as RSS. What has no known moment carries no date."""
    campaign, now = Campaign.objects.current(), timezone.now()
    organization = Organization.objects.first()
    name = organization.public_name if organization else gettext("Giving")
    found = figures.figures(campaign=campaign, now=now) if campaign else None
    lead = band_words(campaign, found=found, now=now).lead if campaign else ""
    made = Rss201rev2Feed(
        title=f"{campaign.name} · {name}" if campaign else name,
        link=_url(reverse("home")),
        description=lead if campaign else gettext("Stories from %(name)s") % {"name": name},
        feed_url=_url(reverse("feed")),
        language=settings.LANGUAGE_CODE,
    )
    moments = figures.reached_at(campaign=campaign, found=found, now=now) if campaign and found else {}
    for row in reversed(found.milestones if found and campaign and campaign.shows_milestones else ()):
        if campaign and row.is_reached:
            amount = format_amount_short(row.amount_minor, currency=campaign.currency)
            key = f"{_url(reverse('home'))}#reached-{campaign.pk}-{row.amount_minor}"
            title = gettext("%(amount)s reached") % {"amount": amount}
            made.add_item(title, _url(reverse("home")), row.text, unique_id=key, pubdate=moments.get(row.amount_minor))
    stories = Story.objects.filter(published(now=now))
    appeared_at = page_dates.appeared_at(stories)
    for story in stories.order_by("-publish_at", "position")[:_MOST_STORIES]:
        pubdate = appeared_at.get(story.pk)
        made.add_item(story.title, _url(story.get_absolute_url()), story.summary, pubdate=pubdate)
    return HttpResponse(made.writeString("utf-8"), content_type="application/rss+xml; charset=utf-8")


def _picture(campaign: Campaign, *, fund: Fund | None) -> HttpResponse:
    """Drawn at most once a minute, whatever the crowd."""
    key = f"share:{campaign.pk}:{fund.pk if fund else ''}"
    now = timezone.now()
    _, drawn = fresh(key, now=now, make=lambda: _drawn(campaign, fund=fund), fresh_for=PICTURE_FOR)
    return HttpResponse(drawn, content_type="image/png")


def _drawn(campaign: Campaign, *, fund: Fund | None) -> bytes:
    organization = Organization.objects.first()
    now = timezone.now()
    found = figures.figures(campaign=campaign, now=now)
    heading = band_words(campaign, found=found, now=now).heading
    found = found if campaign.shows_figures else None
    totals = (found.by_fund.get(fund.pk) if fund else found.totals) if found else None
    has_gifts = bool(totals and totals.raised_minor)
    beside, share = "", None
    if totals and has_gifts:
        goal_minor = 0 if fund else campaign.goal_minor or 0
        beside = _given_by(totals.donor_count, goal_minor=goal_minor, currency=campaign.currency)
        share = totals.raised_minor / goal_minor if goal_minor else None
    return share_picture(
        who=(organization.public_name if organization else "") + (f" · {campaign.name}" if fund else ""),
        title=fund.name if fund else heading,
        sum_text=format_amount_whole(totals.raised_minor, currency=campaign.currency) if totals and has_gifts else "",
        beside_text=beside,
        share=share,
        look=organization.look if organization else palette.paper(palette.Choice()),
        logo=stored_logo(organization.logo.name) if organization else None,
    )


def _given_by(donors: int, *, goal_minor: int, currency: str) -> str:
    """`given by 1,206 donors, toward $250,000`: what the picture says beside the sum. goal_minor: 0 without one."""
    words = {"donors": count_text(donors), "goal": format_amount_short(goal_minor, currency=currency)}
    if goal_minor:
        given = ngettext(
            "given by %(donors)s donor, toward %(goal)s", "given by %(donors)s donors, toward %(goal)s", donors
        )
    else:
        given = ngettext("given by %(donors)s donor", "given by %(donors)s donors", donors)
    return given % words


def _url(address: str) -> str:
    return f"{settings.SITE_URL}{address}"
