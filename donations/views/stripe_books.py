"""Stripe's balance beside our books, a day at a time; runs through Stripe's lists; events that we make no use of."""

from datetime import timedelta

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from campaign.clock import database_now
from campaign.models import Campaign
from donations import stripe_days, stripe_runs, tasks
from donations.models import StripeEvent, StripeRun
from donations.roles import actor, needs
from donations.search import midnight
from donations.views.staff import chosen_day, page

_RUNS_SHOWN = 8
_EVENT_KINDS_SHOWN = 50
# What a run counts, in words; what it does not name it has none of.
FOUND = {
    "payments": gettext_lazy("payments gone through"),
    "completed": gettext_lazy("gifts completed"),
    "set_aside": gettext_lazy("payments set aside"),
    "refunds_noted": gettext_lazy("refunds noted"),
    "disputes_noted": gettext_lazy("disputes noted"),
    "warnings_noted": gettext_lazy("fraud warnings noted"),
    "events_stored": gettext_lazy("lost events fetched"),
    "movements": gettext_lazy("movements of the balance"),
    "gifts_without_charge": gettext_lazy("gifts without a charge"),
    "left_busy": gettext_lazy("left for the next run"),
    "not_noted": gettext_lazy("could not be noted"),
}


@require_GET
@needs("donations.view_striperun")
def day(request: HttpRequest) -> HttpResponseBase:
    """`?day=2026-12-01`: that day of the current campaign's time zone, else its last one."""
    campaign = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    now = timezone.now()
    shown = chosen_day(campaign, now=now, day_text=request.GET.get("day", ""))
    start, end = midnight(shown, campaign.tz), midnight(shown + timedelta(days=1), campaign.tz)
    runs = list(StripeRun.objects.all()[:_RUNS_SHOWN])
    context = {
        "day": shown,
        "day_before": shown - timedelta(days=1),
        "day_after": shown + timedelta(days=1) if end <= now else None,
        "books": stripe_days.compare(start=start, end=end, currency=campaign.currency),
        "currency": campaign.currency,
        "runs": [(run, _found(run)) for run in runs],
        "is_running": any(run.finished_at is None for run in runs),
        "ignored": _ignored(),
    }
    return page(request, "donations/staff_stripe.html", campaign, context)


@require_POST
@needs("donations.add_striperun")
def compare_now(request: HttpRequest) -> HttpResponseBase:
    """Go through Stripe's lists now; one run at a time."""
    now = database_now()
    run = stripe_runs.start(started_by=actor(request), now=now)
    tasks.wake(tasks.advance_stripe_run, run.pk)
    if run.started_at == now:
        messages.success(request, gettext("Stripe is being asked. Reload this page in a minute to see what was found."))
    else:
        messages.info(request, gettext("Stripe is being asked already. Reload this page in a minute."))
    return redirect("staff-stripe")


def _found(run: StripeRun) -> list[tuple[int, str]]:
    return [(run.found[what], str(words)) for what, words in FOUND.items() if run.found.get(what)]


def _ignored() -> list[dict[str, object]]:
    """Kinds of events that were kept and not used, with how many and when last."""
    rows = StripeEvent.objects.filter(state=StripeEvent.State.IGNORED).exclude(why_ignored="").order_by()
    kinds = rows.values("type", "api_version", "why_ignored").annotate(count=Count("pk"), newest=Max("created_at"))
    words = dict(StripeEvent.Ignored.choices)
    return [row | {"why": words[row["why_ignored"]]} for row in kinds.order_by("-newest")[:_EVENT_KINDS_SHOWN]]
