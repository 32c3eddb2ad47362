"""What staff post, on their pages: receipts, and notes about tributes. Print them, post them, say so."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from campaign.clock import database_now
from donations import posting, tributes
from donations.roles import actor, needs
from donations.views.offline import chosen_campaign
from donations.views.staff import page

AT_ONCE = 100


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.enter_offline_gift")
def to_post(request: HttpRequest) -> HttpResponseBase:
    """The oldest receipts that wait to be posted; the form marks those that were."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    if request.method == "POST":
        chosen = [int(text) for text in request.POST.getlist("receipt")[:AT_ONCE] if _is_id(text)]
        count = posting.mark_posted(campaign=campaign, receipt_ids=chosen, actor=actor(request), now=database_now())
        if count:
            messages.success(request, _marked(count, of_receipts=True))
        else:
            messages.error(request, gettext("Tick the receipts that were posted first; nothing was marked."))
        return redirect(request.get_full_path())
    waiting = posting.to_post(campaign=campaign)
    context = {
        "receipts": waiting[:AT_ONCE],
        "count": waiting.count(),
        "at_once": AT_ONCE,
        "query": f"?campaign={campaign.pk}" if request.GET.get("campaign") else "",
    }
    return page(request, "donations/staff_to_post.html", campaign, context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.enter_offline_gift")
def notes_to_post(request: HttpRequest) -> HttpResponseBase:
    """The oldest notes about tributes that wait to be posted; the form marks those that were."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    if request.method == "POST":
        chosen = [int(text) for text in request.POST.getlist("notice")[:AT_ONCE] if _is_id(text)]
        count = tributes.mark_posted(campaign=campaign, notice_ids=chosen, actor=actor(request), now=database_now())
        if count:
            messages.success(request, _marked(count, of_receipts=False))
        else:
            messages.error(request, gettext("Tick the notes that were posted first; nothing was marked."))
        return redirect(request.get_full_path())
    waiting = tributes.to_post(campaign=campaign)
    context = {"notices": waiting[:AT_ONCE], "count": waiting.count()}
    return page(request, "donations/staff_notes_to_post.html", campaign, context)


@require_GET
@needs("donations.enter_offline_gift")
def pdfs(request: HttpRequest) -> HttpResponseBase:
    """The receipts that the page shows, as PDFs in one ZIP file."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    content = posting.packed(posting.to_post(campaign=campaign)[:AT_ONCE])
    headers = {"Content-Disposition": 'attachment; filename="receipts-to-post.zip"'}
    return HttpResponse(content, content_type="application/zip", headers=headers)


def _marked(count: int, *, of_receipts: bool) -> str:
    if of_receipts:
        said = ngettext("Marked %(count)s receipt as posted.", "Marked %(count)s receipts as posted.", count)
    else:
        said = ngettext("Marked %(count)s note as posted.", "Marked %(count)s notes as posted.", count)
    return said % {"count": count}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
