"""What donors say in public, on the staff pages: read a message, then show it or not; take names off the pages."""

from django.contrib import messages as notices
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from campaign.clock import database_now
from donations import public_messages, public_names
from donations.models import Donation, GiftMessage
from donations.paging import page_of
from donations.roles import actor, needs
from donations.views.offline import chosen_campaign
from donations.views.staff import page

_SAID = {
    "approve": gettext_lazy("The message is shown with its gift within seconds."),
    "decline": gettext_lazy("The message is not shown."),
    "hide": gettext_lazy("The message is hidden; pages that are open drop it within seconds."),
}
_TITLES = {
    "waiting": gettext_lazy("To be read"),
    "shown": gettext_lazy("Shown"),
    "not-shown": gettext_lazy("Not shown"),
}
_NAMES = {
    "hide": (
        public_names.hide,
        gettext_lazy("The gift is “Anonymous” on public pages; pages that are open follow within seconds."),
    ),
    "show": (public_names.show, gettext_lazy("Public pages may name it again, as far as its donor lets them.")),
}


@require_GET
@needs("donations.view_giftmessage")
def messages(request: HttpRequest) -> HttpResponseBase:
    """Messages with paid gifts, newest first; `?show=` one of public_messages.LISTS, those to be read at first."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    shown = request.GET.get("show", "waiting")
    if shown not in public_messages.LISTS:
        raise Http404(gettext("There is no such list."))
    found = page_of(public_messages.listed_as(shown, campaign=campaign), request=request)
    names = _names([row.decided_by for row in found.rows])
    context = {
        "page": found,
        "rows": [(row, names.get(row.decided_by, row.decided_by)) for row in found.rows],
        "shown": shown,
        "lists": _TITLES,
        "wait_count": public_messages.listed_as("waiting", campaign=campaign).count(),
    }
    return page(request, "donations/staff_messages.html", campaign, context)


@require_POST
@needs("donations.change_giftmessage")
def decide(request: HttpRequest, pk: int, decision: str) -> HttpResponseBase:
    """Show, decline or hide one message."""
    if decision not in public_messages.DECISIONS:
        raise Http404(gettext("There is no such decision."))
    message = get_object_or_404(GiftMessage.objects.select_related("donation"), pk=pk)
    if public_messages.decide(message_id=pk, decision=decision, actor=actor(request), now=database_now()):
        notices.success(request, _SAID[decision])
    else:
        notices.info(request, gettext("Somebody else has decided about that message already; nothing was changed."))
    shown = request.POST.get("show", "waiting")
    query = {"show": shown if shown in public_messages.LISTS else "waiting"}
    if request.POST.get("campaign"):
        query["campaign"] = str(message.donation.campaign_id)
    return redirect(f"{reverse('staff-messages')}?{urlencode(query)}")


@require_GET
@needs("donations.view_giftmessage")
def names(request: HttpRequest) -> HttpResponseBase:
    """The names that public pages show with paid gifts, the newest first, and those that staff took off."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    found = page_of(public_names.shown(campaign=campaign), request=request)
    context = {
        "page": found,
        "lists": _TITLES,
        "wait_count": public_messages.listed_as("waiting", campaign=campaign).count(),
    }
    return page(request, "donations/staff_names.html", campaign, context)


@require_POST
@needs("donations.change_giftmessage")
def decide_names(request: HttpRequest, pk: int, decision: str) -> HttpResponseBase:
    """Take one gift's names off the public pages, or let them stand there again; back to where the button was."""
    if decision not in _NAMES:
        raise Http404(gettext("There is no such decision."))
    gift = get_object_or_404(Donation, pk=pk)
    change, said = _NAMES[decision]
    if change(donation_id=pk, actor=actor(request), now=database_now()):
        notices.success(request, said)
    else:
        notices.info(
            request, gettext("Somebody else has done that already, or the gift is not paid; nothing was changed.")
        )
    if request.POST.get("from") == "list":
        query = f"?{urlencode({'campaign': gift.campaign_id})}" if request.POST.get("campaign") else ""
        return redirect(f"{reverse('staff-names')}{query}")
    return redirect("staff-gift", pk)


def _names(actors: list[str]) -> dict[str, str]:
    """What people are called, by the name that histories give them: `staff:7`. One query."""
    ids = {actor.partition(":")[2] for actor in actors if actor.startswith("staff:")}
    return {f"staff:{user.pk}": user.get_full_name() or user.username for user in User.objects.filter(pk__in=ids)}
