"""What development staff see: the day, gifts, one gift.

Each view asks for its right with `needs`, loads what it shows through the campaign, and is rendered in the campaign's
time zone.
"""

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from campaign.clock import database_now
from campaign.models import Campaign
from donations import attention, gift_file, queries
from donations.came_from import origins
from donations.charts import hour_chart
from donations.gift_rows import gift_rows
from donations.models import Donation, FollowUp
from donations.paging import page_of
from donations.roles import actor, needs
from donations.search import find_gifts, midnight
from donations.staff_forms import EARLIEST_DAY, GiftSearch
from donations.views.guards import payments_state
from matching.queries import pool_figures
from matching.watch import watch

NEWEST = 8
_WAITING = ("not_yet_open", "paused", "locked", "running", "met")  # pools whose free money no gift can have now


@require_GET
@needs("donations.view_dashboard")
def today(request: HttpRequest) -> HttpResponseBase:
    """The campaign's day: figures, hours, what needs a person, pools, newest gifts. `?live=0` stops the refreshing."""
    campaign = Campaign.objects.current()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    context = _day(campaign, now=timezone.now(), day_text=request.GET.get("day", ""))
    return page(request, "donations/staff_today.html", campaign, {**context, "is_live": request.GET.get("live") != "0"})


@require_GET
@needs("donations.view_dashboard")
def figures(request: HttpRequest) -> HttpResponseBase:
    """The moving parts of the day's page, for htmx: the line with the time, and all others out of band."""
    campaign = Campaign.objects.current()
    if campaign is None:
        return redirect("staff-today")
    context = _day(campaign, now=timezone.now(), day_text=request.GET.get("day", ""))
    return page(request, "donations/_staff_figures.html", campaign, {**context, "is_live": True, "is_update": True})


@require_GET
@needs("donations.view_donation")
def gifts(request: HttpRequest) -> HttpResponseBase:
    """Gifts, newest first, found by words and filters."""
    form = GiftSearch(request.GET)
    campaign = form.chosen
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    found = find_gifts(
        campaign=campaign,
        text=form.value("q") or "",
        state=form.value("state") or "",
        fund=form.value("fund"),
        days=form.days,
    )
    shown = page_of(found, request=request)
    return page(
        request,
        "donations/staff_gifts.html",
        campaign,
        {"form": form, "page": shown, "rows": gift_rows(shown.rows), "currency": campaign.currency},
    )


@require_GET
@needs("donations.view_donation")
def gift(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One gift with everything that happened to it."""
    found = get_object_or_404(Donation.objects.select_related("campaign", "donor"), pk=pk)
    context = {"file": gift_file.read(gift=found, now=timezone.now()), "gift": found, "currency": found.currency}
    return page(request, "donations/staff_gift.html", found.campaign, context)


@require_GET
@needs("donations.view_donation")
def came_from(request: HttpRequest) -> HttpResponseBase:
    """Where the current campaign's gifts came from, by the codes of the links that led to them."""
    campaign = Campaign.objects.current()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    context = {"found": origins(campaign_id=campaign.pk), "currency": campaign.currency, "site_url": settings.SITE_URL}
    return page(request, "donations/staff_came_from.html", campaign, context)


@require_POST
@needs("donations.change_followup")
def try_follow_up_again(request: HttpRequest, pk: int, follow_up_pk: int) -> HttpResponseBase:
    follow_up = get_object_or_404(FollowUp, pk=follow_up_pk, donation_id=pk)
    is_due = attention.try_follow_up_again(follow_up=follow_up, actor=actor(request), now=database_now())
    _say_whether_due(request, is_due=is_due)
    return redirect("staff-gift", pk)


@require_POST
@needs("donations.change_followup")
def try_event_again(request: HttpRequest, pk: int, event_pk: int) -> HttpResponseBase:
    donation = get_object_or_404(Donation, pk=pk)
    event = get_object_or_404(gift_file.events_of(donation), pk=event_pk)
    is_due = attention.try_event_again(event=event, actor=actor(request), now=database_now())
    _say_whether_due(request, is_due=is_due)
    return redirect("staff-gift", pk)


def page(request: HttpRequest, template: str, campaign: Campaign, context: dict[str, Any]) -> HttpResponse:
    """A staff page with every moment in the campaign's time zone."""
    with timezone.override(campaign.tz):
        return render(request, template, {"campaign": campaign, **context})


def _say_whether_due(request: HttpRequest, *, is_due: bool) -> None:
    if is_due:
        messages.success(
            request, gettext("It is tried again within half a minute. Reload this page to see how it went.")
        )
    else:
        messages.info(request, gettext("Somebody else has asked for that already; nothing was changed."))


def _day(campaign: Campaign, *, now: datetime, day_text: str) -> dict[str, Any]:
    """Everything on the day's page: the same number of queries however much was given."""
    day = chosen_day(campaign, now=now, day_text=day_text)
    start, end = midnight(day, campaign.tz), midnight(day + timedelta(days=1), campaign.tz)
    is_today = start <= now < end
    hours = queries.gifts_by_hour(campaign_id=campaign.pk, start=start, end=now if is_today else end)
    pools = pool_figures(campaign=campaign, now=now)
    newest = Donation.objects.filter(campaign=campaign).exclude(state=Donation.State.ABANDONED).order_by("-pk")
    return {
        "now": now,
        "currency": campaign.currency,
        "totals": queries.totals(campaign_id=campaign.pk),
        "matched_minor": sum(pool.matched_minor for pool in pools),
        "awarded_minor": sum(pool.matched_minor for pool in pools if pool.is_award),
        "held_minor": sum(pool.held_minor for pool in pools),
        "free_minor": sum(pool.free_minor for pool in pools if pool.state == "open"),
        "waiting_minor": sum(pool.free_minor for pool in pools if pool.state in _WAITING),
        "sponsor_count": len({pool.pool.sponsor_id for pool in pools if pool.matched_minor}),
        "open_pool_count": sum(pool.state == "open" for pool in pools),
        "checkout_count": queries.donors_at_checkout(campaign_id=campaign.pk, now=now),
        "lasts": queries.time_to_last(campaign_id=campaign.pk, pools=pools, now=now),
        "pools": pools,
        "chart": hour_chart(hours=hours, zone=campaign.tz),
        "hours": hours,
        "day": day,
        "day_before": day - timedelta(days=1),
        "day_after": None if is_today or end > now else day + timedelta(days=1),
        "concerns": attention.concerns(pools=pools),
        "backlog": attention.backlog(now=now),
        "watch": watch(now=now),
        "newest": gift_rows(list(newest[:NEWEST])),
        **payments_state(now=now),
    }


def _day_on_the_calendar(text: str) -> date:
    """Raises ValueError for no day, and for one so early that the day before it may not exist."""
    day = date.fromisoformat(text)
    if day < EARLIEST_DAY:
        raise ValueError(f"{day} is before {EARLIEST_DAY}")
    return day


def chosen_day(campaign: Campaign, *, now: datetime, day_text: str) -> date:
    """The day asked for; else today, or the campaign's last day once it has closed."""
    latest = now.astimezone(campaign.tz).date()
    try:
        return min(_day_on_the_calendar(day_text), latest)
    except ValueError:
        closing = (campaign.closes_at - timedelta(microseconds=1)).astimezone(campaign.tz).date()
        return min(latest, closing)
