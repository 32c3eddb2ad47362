"""A spreadsheet of checks and cash on the staff pages: upload, preview, confirm, watch, correct the rest."""

from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaign.clock import database_now
from campaign.models import Campaign
from campaign.uploads import NotKept
from donations import import_template, imports, tasks
from donations.import_sheets import LARGEST_BYTES, MOST_ROWS, FileProblem, too_large
from donations.models import GiftImport, ImportRow
from donations.roles import actor, needs
from donations.views.finance import KINDS
from donations.views.offline import chosen_campaign, other_campaigns
from donations.views.staff import page

SHOWN = 100  # rows of a kind on the preview; the file of rows to correct has them all
LISTED = 20
_NO_ROOM = gettext_lazy(
    "This file could not be taken in: the site’s disk is full, or does not take files. Nothing was entered. Please "
    "tell who runs the site, or split the file: what is smaller than 2 MB needs no room there."
)
_NO_FILE = gettext_lazy("Choose a file first: a spreadsheet saved as .xlsx or .csv.")


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.enter_offline_gift")
def uploads(request: HttpRequest) -> HttpResponseBase:
    """The files so far, and the place to send another one."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    if request.method != "POST":
        return _uploads_page(request, campaign)
    upload = request.FILES.get("file")
    if isinstance(upload, NotKept):
        return _uploads_page(request, campaign, problem=_NO_ROOM)
    try:
        made = _read(upload, campaign=campaign, request=request)
    except FileProblem as error:
        return _uploads_page(request, campaign, problem=str(error), file_name=(upload.name if upload else "") or "")
    return redirect("staff-import", made.pk)


@require_GET
@needs("donations.enter_offline_gift")
def show(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One file: the preview with everything that is wrong, then its progress, then what came of it."""
    found = _import(pk)
    return page(request, "donations/staff_import.html", found.campaign, _context(found))


@require_GET
@needs("donations.enter_offline_gift")
def progress(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The moving part of a file's page, for htmx: 286 when nothing moves any more."""
    found = _import(pk)
    response = page(request, "donations/_staff_import_progress.html", found.campaign, _context(found))
    response.status_code = 200 if found.state == GiftImport.State.RUNNING else 286
    return response


@require_POST
@needs("donations.enter_offline_gift")
def confirm(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Enter the rows that are ready. The form says whether bad rows and warnings were seen."""
    found = _import(pk)
    is_mine = imports.confirm(
        import_id=pk,
        actor=actor(request),
        now=database_now(),
        despite_bad="despite_bad" in request.POST,
        despite_warnings="despite_warnings" in request.POST,
    )
    if is_mine:
        tasks.wake(tasks.enter_import, pk)
    elif found.state == GiftImport.State.PREVIEW:
        messages.error(
            request, gettext("Nothing was entered: tick that you have looked at what the page names, and press again.")
        )
    else:
        messages.info(request, gettext("This file was decided on already; nothing more was done."))
    return redirect("staff-import", pk)


@require_POST
@needs("donations.enter_offline_gift")
def discard(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = _import(pk)
    if imports.discard(import_id=pk):
        messages.success(
            request, gettext("Discarded %(file_name)s. Nothing of it was entered.") % {"file_name": found.file_name}
        )
        return redirect("staff-imports")
    messages.info(request, gettext("This file was decided on already; nothing was discarded."))
    return redirect("staff-import", pk)


@require_POST
@needs("donations.enter_offline_gift")
def again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Try the rows once more that could not be entered."""
    _import(pk)
    if imports.try_failed_again(import_id=pk, now=database_now()):
        tasks.wake(tasks.enter_import, pk)
    else:
        messages.info(request, gettext("There is nothing to try again."))
    return redirect("staff-import", pk)


@require_GET
@needs("donations.enter_offline_gift")
def bad_rows(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The rows that were not entered, as a file to be corrected and sent again."""
    found = _import(pk)
    response = StreamingHttpResponse(imports.bad_rows_csv(found), content_type=KINDS["csv"])
    response.headers["Content-Disposition"] = f'attachment; filename="rows-to-correct-{found.pk}.csv"'
    return response


@require_GET
@needs("donations.enter_offline_gift")
def template(request: HttpRequest, kind: str) -> HttpResponseBase:
    """An empty spreadsheet with our columns; the workbook explains them on a second sheet."""
    campaign = chosen_campaign(request)
    if kind not in KINDS or campaign is None:
        raise Http404
    content = import_template.workbook(campaign) if kind == "xlsx" else import_template.csv_text().encode()
    response = HttpResponse(content, content_type=KINDS[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="gifts-to-import.{kind}"'
    return response


def _import(pk: int) -> GiftImport:
    return get_object_or_404(GiftImport.objects.select_related("campaign"), pk=pk)


def _read(upload: UploadedFile | None, *, campaign: Campaign, request: HttpRequest) -> GiftImport:
    if upload is None or not upload.name:
        raise FileProblem(_NO_FILE)
    if upload.size is None or upload.size > LARGEST_BYTES:
        raise FileProblem(too_large())
    content = upload.read()
    return imports.read_upload(
        campaign=campaign, file_name=upload.name, content=content, actor=actor(request), now=database_now()
    )


def _uploads_page(request: HttpRequest, campaign: Campaign, *, problem: str = "", file_name: str = "") -> HttpResponse:
    files = GiftImport.objects.filter(campaign=campaign).exclude(state=GiftImport.State.DISCARDED)[:LISTED]
    context = {
        "files": [(file, imports.progress_of(file.pk)) for file in files],
        "problem": problem,
        "file_name": file_name,
        "columns": import_template.COLUMNS,
        "funds": campaign.funds.all(),
        "teams": campaign.teams.all(),
        "most_rows": MOST_ROWS,
        "campaigns": other_campaigns(campaign),
        "currency": campaign.currency,
    }
    return page(request, "donations/staff_imports.html", campaign, context)


def _context(found: GiftImport) -> dict[str, Any]:
    rows = found.rows.order_by("number")
    state = ImportRow.State
    is_preview = found.state == GiftImport.State.PREVIEW
    return {
        "file": found,
        "progress": imports.progress_of(found.pk),
        "bad": rows.filter(state=state.BAD)[:SHOWN],
        "failed": rows.filter(state=state.FAILED)[:SHOWN],
        "doubtful": rows.filter(state=state.READY).exclude(warnings=[])[:SHOWN] if is_preview else [],
        "first_ready": rows.filter(state=state.READY)[:5] if is_preview else [],
        "shown": SHOWN,
        "currency": found.campaign.currency,
    }
