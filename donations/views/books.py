"""Months of the books: what each would book or has booked, closing the next one, and the closed month's file."""

import logging

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from campaign.clock import database_now
from campaign.models import Campaign
from donations.models import Period
from donations.models.periods import following
from donations.periods import closing, figures, files
from donations.periods.months import Month, NoSuchMonth, month_called, months
from donations.periods.obstacles import obstacles
from donations.roles import actor, name_of, needs
from donations.views.finance import KINDS, csv_response, workbook_response
from donations.views.staff import page

logger = logging.getLogger(__name__)


@require_GET
@needs("donations.view_period")
def books(request: HttpRequest) -> HttpResponseBase:
    """Every month, newest first, with what was booked in it, or what the next one would book now."""
    campaign = _campaign()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    found, closed = months(now=timezone.now()), figures.of_every_closed()
    names = {who: name_of(who) for who in {month.period.closed_by for month in found if month.period}}
    rows = []
    for month in found:
        if month.period is not None:
            rows.append((month, closed.get(month.period.pk, []), names[month.period.closed_by]))
        else:
            rows.append((month, figures.of_open(month.first_day) if month.is_next else [], ""))
    return page(request, "donations/staff_books.html", campaign, {"rows": rows})


@require_GET
@needs("donations.view_period")
def month(request: HttpRequest, slug: str) -> HttpResponseBase:
    """One month: what was booked and when, or what closing it would write and what stands in the way."""
    campaign = _campaign()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    try:
        shown = month_called(slug, now=timezone.now())
    except NoSuchMonth:
        return _no_such_month(request, slug)
    return page(request, "donations/staff_books_month.html", campaign, _context(shown))


@require_POST
@needs("donations.close_period")
def close(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Close the month for good, unless a fault stands in the way. What warned is kept with it."""
    now = database_now()
    try:
        asked = month_called(slug, now=now)
        found = obstacles(asked.first_day) if asked.state == "ready" else []
        if any(one.is_fault for one in found):
            said = gettext("%(month)s was not closed: see below what has to be done first.")
            messages.error(request, said % {"month": asked})
            return redirect("staff-books-month", slug)
        warnings = [one.text for one in found]
        period = closing.close(first_day=asked.first_day, warnings=warnings, actor=actor(request), now=now)
    except NoSuchMonth:
        return _no_such_month(request, slug)
    except closing.MonthClosed as error:
        by = name_of(error.period.closed_by)
        said = gettext("%(month)s is closed already, by %(person)s.") % {"month": error.period, "person": by}
        messages.info(request, said)
    except closing.EarlierMonthOpen:
        said = gettext("%(month)s was not closed: months close in order, and an earlier one is open.")
        messages.error(request, said % {"month": asked})
    except closing.MonthNotOver:
        messages.error(request, gettext("%(month)s was not closed: it is not over yet.") % {"month": asked})
    except closing.ClosingUnderWay:
        said = gettext("Somebody is closing %(month)s at this moment. Reload this page in a minute.")
        messages.error(request, said % {"month": asked})
    else:
        logger.info("%s closed %s: %s lines", actor(request), slug, period.line_count)
        said = gettext("%(month)s is closed. Its file is below, and stays as it is.")
        messages.success(request, said % {"month": period})
    return redirect("staff-books-month", slug)


@require_GET
@needs("donations.view_period")
def lines(request: HttpRequest, slug: str, currency: str, kind: str) -> HttpResponseBase:
    """The closed month's lines in one currency, as CSV or as a workbook. Who took it is logged."""
    try:
        shown = month_called(slug, now=timezone.now())
    except NoSuchMonth:
        return _no_such_month(request, slug)
    period = shown.period
    if period is None:
        said = gettext("%(month)s is not closed yet, so it has no file. /staff/exports/ has its gifts so far.")
        messages.info(request, said % {"month": shown})
        return redirect("staff-books-month", slug)
    if kind not in KINDS or currency not in _currencies(period):
        raise Http404
    logger.info("%s takes the books of %s in %s as %s", actor(request), slug, currency, kind)
    filename = f"books-{slug}-{currency}.{kind}"
    table = files.table(period, currency=currency)
    if kind == "csv":
        return csv_response(table, filename=filename)
    return workbook_response([table], about=files.about(period), filename=filename, made_at=period.closed_at)


def _context(shown: Month) -> dict[str, object]:
    context: dict[str, object] = {"month": shown, "over_from": following(shown.first_day)}
    if shown.period is not None:
        booked, by = figures.of_closed(shown.period), name_of(shown.period.closed_by)
        return context | {"booked": booked, "adjustments": _adjustments(shown, booked), "closed_by": by}
    if not shown.is_next:
        return context | {"before": next(month for month in months(now=timezone.now()) if month.is_next)}
    booked = figures.of_open(shown.first_day)
    context |= {"booked": booked, "adjustments": _adjustments(shown, booked)}
    found = obstacles(shown.first_day) if shown.is_over else []
    return context | {"obstacles": found, "is_stopped": any(one.is_fault for one in found)}


def _adjustments(shown: Month, booked: list[figures.Booked]) -> list[figures.Adjustment]:
    return figures.adjustments(shown) if any(part.adjustment_count for part in booked) else []


def _currencies(period: Period) -> set[str]:
    return set(period.lines.order_by().values_list("currency", flat=True).distinct())


def _campaign() -> Campaign | None:
    return Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()


def _no_such_month(request: HttpRequest, slug: str) -> HttpResponse:
    said = gettext("There are no books of “%(name)s”. Choose one of the months below.")
    messages.error(request, said % {"name": slug[:20]})
    return redirect("staff-books")
