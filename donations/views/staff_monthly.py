"""`/staff/monthly/`: monthly gifts, for whoever answers a donor about one, and the way to stop one for them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from campaign.clock import database_now
from campaign.models import Campaign
from donations import gateway, monthly
from donations.models import MonthlyGift
from donations.paging import page_of
from donations.roles import actor, needs
from donations.views.staff import page

_SHOWN = {"running": MonthlyGift.RUNNING, "unpaid": ("unpaid",), "stopped": ("stopped",), "never": ("started", "never")}
TONES = {"active": "good", "unpaid": "bad", "stopped": "mute", "started": "warn", "never": "mute"}


@require_GET
@needs("donations.view_donation")
def monthly_gifts(request: HttpRequest) -> HttpResponseBase:
    """Monthly gifts of the current campaign, newest first; ?state= one of _SHOWN, running ones without it."""
    campaign = Campaign.objects.current()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    state = request.GET.get("state", "running")
    found = MonthlyGift.objects.filter(campaign=campaign, state__in=_SHOWN.get(state, MonthlyGift.RUNNING))
    shown = page_of(found.select_related("donor"), request=request)
    running = MonthlyGift.objects.filter(campaign=campaign, state__in=MonthlyGift.RUNNING)
    context = {
        "page": shown,
        "rows": [(row, row.donations.order_by("pk").first(), TONES[row.state]) for row in shown.rows],
        "state": state if state in _SHOWN else "running",
        "tabs": [
            ("running", gettext("Running")),
            ("unpaid", gettext("Payment failed")),
            ("stopped", gettext("Stopped")),
            ("never", gettext("Not begun")),
        ],
        "count": running.count(),
        "sum_minor": sum(running.values_list("amount_minor", flat=True)),
        "currency": campaign.currency,
    }
    return page(request, "donations/staff_monthly.html", campaign, context)


@require_POST
@needs("donations.change_followup")
def stop_monthly(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stop a monthly gift for a donor who called. Its donor is told by e-mail."""
    found = get_object_or_404(MonthlyGift, pk=pk)
    try:
        monthly.stop(monthly_id=found.pk, now=database_now(), actor=actor(request))
    except monthly.NotRunning:
        messages.info(
            request,
            gettext("%(reference)s is not running, so there was nothing to stop.") % {"reference": found.reference},
        )
    except (gateway.GatewayUnavailable, gateway.GatewayRefused):
        messages.error(
            request, gettext("Stripe does not answer at this moment. Nothing was changed. Please try again.")
        )
    else:
        messages.success(
            request,
            gettext("%(reference)s is stopped. Nothing more is charged, and its donor is told.")
            % {"reference": found.reference},
        )
    return redirect("staff-monthly")
