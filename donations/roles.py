"""Who on the staff may do what: two groups, kept in code, and the decorator that asks for a right.

development  sees the day, gifts and donors, tries failed follow-ups again, sets up pools, writes the pages and decides
             which messages and names of donors they show.
finance      sees the day, gifts, donors and pools, receipts, and exports them; closes the month; refunds gifts and
             decides on payments that fit no gift, since that moves money; changes no page and no pool.
Both tick off what needed a person.
Both enter, import, correct and cancel gifts by check and cash: either may open the post. The history names who did.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy

P = ParamSpec("P")

_SEES_GIFTS = (
    "donations.view_dashboard",
    "donations.view_donation",
    "donations.view_donor",
    "donations.view_designation",
    "donations.view_giftnote",
    "donations.view_stripeevent",
    "donations.view_followup",
    "donations.change_followup",
    "donations.change_payercheck",
    "donations.add_tickoff",
    "donations.view_tickoff",
    "donations.view_straypayment",
    "donations.view_striperun",
    "donations.view_giftmessage",
    "matching.view_sponsor",
    "matching.view_matchpool",
    "matching.view_poolterms",
    "matching.view_reservation",
    "matching.view_allocation",
    "matching.view_ledgerentry",
    "matching.view_ledgercheck",
    "matching.view_poolhalt",
    "matching.view_poolpause",
)
_SETS_UP_POOLS = (
    "matching.add_sponsor",
    "matching.change_sponsor",
    "matching.add_matchpool",
    "matching.change_matchpool",
)
_PAGE_MODELS = (
    *("campaign", "cardpicture", "milestone", "team", "fund", "fundpreset"),
    *("story", "section", "sectionitem"),
)
_WRITES_PAGES = (
    "donations.change_giftmessage",
    "donations.view_nocardsaddress",
    "donations.add_nocardsaddress",
    "donations.delete_nocardsaddress",
    "campaign.view_organization",
    "campaign.change_organization",
    *(f"campaign.{verb}_{model}" for model in _PAGE_MODELS for verb in ("view", "add", "change")),
    *(
        f"campaign.delete_{model}"
        for model in ("cardpicture", "milestone", "team", "fundpreset", "story", "section", "sectionitem")
    ),
)
_ENTERS_GIFTS = ("donations.enter_offline_gift",)
_KEEPS_BOOKS = (
    "donations.view_receipt",
    "donations.view_receiptsend",
    "donations.export_donation",
    "donations.refund_gift",
    "donations.add_striperun",
    "donations.view_period",
    "donations.close_period",
)

GROUPS: dict[str, tuple[str, ...]] = {
    "development": (*_SEES_GIFTS, *_ENTERS_GIFTS, *_SETS_UP_POOLS, *_WRITES_PAGES),
    "finance": (*_SEES_GIFTS, *_ENTERS_GIFTS, *_KEEPS_BOOKS),
}

# What a person is told when the right is missing: "Your log-in has no right to ...".
RIGHTS = {
    "donations.view_dashboard": gettext_lazy("see the staff pages"),
    "campaign.view_fund": gettext_lazy("preview pages"),
    "donations.view_donation": gettext_lazy("see gifts"),
    "donations.view_giftmessage": gettext_lazy("see donors’ messages"),
    "donations.change_giftmessage": gettext_lazy("decide which messages of donors are shown"),
    "campaign.change_campaign": gettext_lazy("change campaigns"),
    "donations.change_followup": gettext_lazy("try follow-up work again"),
    "donations.change_payercheck": gettext_lazy("switch the check of payers"),
    "donations.view_striperun": gettext_lazy("see the comparison with Stripe"),
    "donations.add_striperun": gettext_lazy("compare with Stripe now"),
    "donations.view_straypayment": gettext_lazy("see payments that fit no gift"),
    "donations.add_tickoff": gettext_lazy("tick off what needs a person"),
    "donations.refund_gift": gettext_lazy("refund gifts, or decide on payments that fit no gift"),
    "donations.enter_offline_gift": gettext_lazy("enter gifts by check and cash"),
    "matching.view_matchpool": gettext_lazy("see match pools"),
    "matching.change_matchpool": gettext_lazy("change match pools"),
    "matching.add_matchpool": gettext_lazy("open match pools"),
    "matching.change_sponsor": gettext_lazy("change sponsors"),
    "donations.view_receipt": gettext_lazy("see the list of receipts"),
    "donations.export_donation": gettext_lazy("export gifts and receipts"),
    "donations.view_period": gettext_lazy("see the months of the books"),
    "donations.close_period": gettext_lazy("close a month of the books"),
}


@transaction.atomic
def ensure_groups(**_signal: object) -> None:
    """Make the two groups, each with exactly the rights above. Runs after every migration; safe to repeat.

    A right given to one of these groups by hand is taken away again: make a group of your own for other needs.
    """
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.filter(
            content_type__app_label__in=["campaign", "matching", "donations"]
        ).values_list("pk", "content_type__app_label", "codename")
    }
    for name, rights in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set([known[right] for right in rights if right in known])


def needs(
    right: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Only people with this right see the view: others log in first, or read which right they lack (403).

    A refreshing part of a page (htmx) gets a notice to log in instead of a redirect, which htmx would follow
    and paste into the page.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                if request.headers.get("HX-Request"):
                    return _log_in_notice(request)
                asked_for = request.get_full_path() if request.method == "GET" else reverse("staff-today")
                return redirect_to_login(asked_for)
            if not request.user.has_perm(right):
                return _refusal(request, right)
            response = view(request, *args, **kwargs)
            # Donors' names stay out of every cache, and out of the back button after logging out.
            response.headers["Cache-Control"] = "private, no-store"
            return response

        return guarded

    return decorate


def actor(request: HttpRequest) -> str:
    """The person as histories and the ledger name them: `staff:7`."""
    return f"staff:{request.user.pk}"


def name_of(who: str) -> str:
    """`staff:7` as the person's name; as it is when nobody has that number any more."""
    number = who.removeprefix("staff:")
    user = User.objects.filter(pk=number).first() if number.isdecimal() else None
    return (user.get_full_name() or user.get_username()) if user else who


def _log_in_notice(request: HttpRequest) -> HttpResponse:
    # 200, not 401: htmx ignores the bodies of 4xx answers. Polling goes on, so logging in elsewhere mends the page.
    return render(request, "donations/_staff_log_in_notice.html")


def _refusal(request: HttpRequest, right: str) -> HttpResponse:
    context = {"right": RIGHTS[right], "groups": list(request.user.groups.values_list("name", flat=True))}
    return render(request, "donations/staff_403.html", context, status=403)
