"""What finance sees: receipts, and gifts and receipts as files."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime

from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaign.models import Campaign
from donations import exports as files
from donations import money_back
from donations.paging import page_of
from donations.periods.months import closed_in
from donations.roles import actor, needs
from donations.search import Days, find_receipts
from donations.spreadsheets import Table, csv_lines, write_xlsx
from donations.staff_forms import ExportForm, ReceiptSearch
from donations.views.staff import page

logger = logging.getLogger(__name__)

KINDS = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


@require_GET
@needs("donations.view_receipt")
def receipts(request: HttpRequest) -> HttpResponseBase:
    """Receipts, newest first, found by words and filters."""
    form = ReceiptSearch(request.GET)
    campaign = form.chosen
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    found = find_receipts(
        campaign=campaign, text=form.value("q") or "", state=form.value("state") or "", days=form.days
    )
    shown = page_of(found.select_related("donation", "replaces").prefetch_related("sends"), request=request)
    context = {"form": form, "page": shown, "currency": campaign.currency}
    return page(request, "donations/staff_receipts.html", campaign, context)


@require_GET
@needs("donations.export_donation")
def exports(request: HttpRequest) -> HttpResponseBase:
    """Choose days, see their totals, take the files."""
    form = ExportForm(request.GET)
    campaign = form.chosen
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    context: dict[str, object] = {"form": form, "currency": campaign.currency, "now": timezone.now()}
    if form.is_valid():
        with files.snapshot():
            gifts = files.gift_totals(campaign=campaign, days=form.days)
            awaited = files.awaited(campaign=campaign, days=form.days)
            issued = files.receipt_totals(campaign=campaign, days=form.days)
            context["awarded_minor"] = files.awarded_minor(campaign=campaign, days=form.days)
            context["went_back_minor"] = money_back.refunded_minor(campaign=campaign, days=form.days)
        context["closed"] = closed_in(form.days)
        query = f"?first={form.days.first}&last={form.days.last}&campaign={campaign.pk}"
        context |= {"days": form.days, "gifts": gifts, "receipts": issued, "awaited": awaited, "query": query}
        context["difference_minor"] = gifts.net_minor - issued.valid_minor
    return page(request, "donations/staff_exports.html", campaign, context)


@require_GET
@needs("donations.export_donation")
def export_gifts(request: HttpRequest, kind: str) -> HttpResponseBase:
    """One row a gift. The workbook has the parts by fund as its second sheet."""
    return _export(request, kind=kind, name="gifts", makers=(files.gifts_table, files.parts_table))


@require_GET
@needs("donations.export_donation")
def export_parts(request: HttpRequest, kind: str) -> HttpResponseBase:
    """One row for each fund of each gift."""
    return _export(request, kind=kind, name="gift-parts", makers=(files.parts_table,))


@require_GET
@needs("donations.export_donation")
def export_receipts(request: HttpRequest, kind: str) -> HttpResponseBase:
    """One row a receipt, voided ones too."""
    return _export(request, kind=kind, name="receipts", makers=(files.receipts_table,))


@require_GET
@needs("donations.export_donation")
def export_challenges(request: HttpRequest, kind: str) -> HttpResponseBase:
    """One row for each sum that a challenge gave, or that refunds undid."""
    return _export(request, kind=kind, name="challenges", makers=(files.awards_table,))


@require_GET
@needs("donations.export_donation")
def export_refunds(request: HttpRequest, kind: str) -> HttpResponseBase:
    """One row for each refund, dispute and cancellation, by its own day."""
    return _export(request, kind=kind, name="refunds", makers=(money_back.refunds_table,))


def _export(
    request: HttpRequest, *, kind: str, name: str, makers: tuple[Callable[..., Table], ...]
) -> HttpResponseBase:
    """The file, or back to the form when the days cannot be read. Who took what is logged."""
    if kind not in KINDS:
        raise Http404
    form = ExportForm(request.GET)
    campaign = form.chosen
    if campaign is None or not form.is_valid():
        return redirect(f"{reverse('staff-exports')}?{request.GET.urlencode()}")
    days = form.days
    logger.info(
        "%s takes %s.%s of campaign %s, %s to %s", actor(request), name, kind, campaign.pk, days.first, days.last
    )
    filename = f"{name}-{days.first}-to-{days.last}.{kind}"
    tables = [make(campaign=campaign, days=days) for make in makers]
    if kind == "csv":
        return csv_response(tables[0], filename=filename)
    return workbook_response(tables, about=_about(campaign, days), filename=filename, made_at=None)


def csv_response(table: Table, *, filename: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_csv(table), content_type=KINDS["csv"])
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def workbook_response(
    tables: list[Table], *, about: list[tuple[str, str]], filename: str, made_at: datetime | None
) -> FileResponse:
    """Written to a temporary file first, since a workbook's index comes at its end. made_at: as in write_xlsx()."""
    to = tempfile.TemporaryFile(prefix="twofold-export-")  # noqa: SIM115 - the response closes it
    try:
        with files.snapshot():
            write_xlsx(tables, about=about, to=to, made_at=made_at)
    except BaseException:
        to.close()
        raise
    to.seek(0)
    return FileResponse(to, as_attachment=True, filename=filename, content_type=KINDS["xlsx"])


def _csv(table: Table) -> Iterator[str]:
    """The lines within one snapshot, which ends with the file or when the reader goes away."""
    with files.snapshot():
        yield from csv_lines(table)


def _about(campaign: Campaign, days: Days) -> list[tuple[str, str]]:
    made_at = timezone.now().astimezone(campaign.tz)
    return [
        ("Campaign", campaign.name),
        ("Days", f"{days.first} to {days.last}, both included"),
        ("Time zone", f"{campaign.time_zone} ({campaign.time_zone_label}): it decides the days and all times"),
        ("As of", made_at.isoformat(timespec="seconds")),
        ("Gifts", "A gift belongs to the day on which it was paid; refunds lower the figures of that day."),
        ("Monthly gifts", "Later payments count in the campaign in which the monthly gift began, on their own day."),
        ("Refunds", "In the file of refunds each stands on its own day: made, or for a dispute opened."),
        ("Raised", "Gift amount less refunds of it, without covered fees: what the staff page counts."),
        ("Match", "Sponsors' money, not part of any gift, and in no sum of gifts."),
        ("Challenges", "Sums that sponsors gave when a target was reached belong to no gift: a file of their own."),
    ]
