"""Gifts by check and cash on the staff pages: entering one, correcting it, cancelling it."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods

from campaign.clock import database_now
from campaign.models import Campaign
from campaign.money import format_amount
from donations import corrections, form_keys, offline_gifts, tasks
from donations.form_keys import FormKey
from donations.models import Donation
from donations.offline_forms import CancellationForm, CorrectionForm, OfflineGiftForm
from donations.offline_gifts import GiftEnteredBefore, OfflineGift
from donations.periods.months import closed_month_of
from donations.roles import actor, needs
from donations.views.staff import page
from matching.ledger import PoolsBusy
from matching.queries import gift_match

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_BUSY = gettext_lazy(
    "Very many gifts are arriving this second. Nothing was entered and nothing typed is lost: press the button again."
)
_NO_KEY = gettext_lazy(
    "Please press the button once more. The form came without the mark that keeps a gift from being entered twice; "
    "nothing was entered."
)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.enter_offline_gift")
def new_gift(request: HttpRequest) -> HttpResponseBase:
    """Enter a check or cash. `?campaign=` names another campaign than the current one."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    if request.method == "POST":
        return _enter(request, campaign)
    form = OfflineGiftForm(campaign=campaign, now=database_now())
    return _form_page(request, form=form, form_key=form_keys.new_form_key())


def chosen_campaign(request: HttpRequest) -> Campaign | None:
    """The campaign that the address names, else the current one, else the newest."""
    named = request.GET.get("campaign", "")
    found = Campaign.objects.filter(pk=int(named)) if named.isascii() and named.isdigit() and len(named) < 10 else None
    newest = Campaign.objects.order_by("-opens_at")
    return (found.first() if found else None) or Campaign.objects.current() or newest.first()


def _enter(request: HttpRequest, campaign: Campaign) -> HttpResponseBase:
    now = database_now()
    key = form_keys.unsealed(request.POST.get("form_key", ""))
    form = OfflineGiftForm(request.POST, campaign=campaign, now=now)
    form_key = FormKey(key) if key else form_keys.new_form_key()
    if earlier := Donation.objects.filter(form_key=form_key.key).first():
        return _entered_before(request, earlier)
    if not form.is_valid() or not key:
        return _form_page(request, form=form, form_key=form_key, problem="" if key else _NO_KEY)
    doubts = Doubts(gift=form.gift, campaign=campaign)
    if doubts.is_new_to(request):
        return _form_page(request, form=form, form_key=form_key, doubts=doubts)
    try:
        donation = offline_gifts.enter_gift(
            campaign=campaign, gift=form.gift, form_key=key, actor=actor(request), now=now
        )
    except GiftEnteredBefore as error:
        return _entered_before(request, error.donation)
    except PoolsBusy:
        return _form_page(request, form=form, form_key=form_key, problem=_BUSY, doubts=doubts, status=503)
    tasks.wake_after_payment(donation.pk)
    messages.success(
        request,
        gettext("Entered as %(reference)s. %(outcome)s")
        % {"reference": donation.reference, "outcome": outcome(donation)},
    )
    return redirect("staff-gift", donation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.enter_offline_gift")
def correct(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Change what was written down wrong of a check or cash; its match and receipt follow."""
    found = get_object_or_404(Donation.objects.select_related("campaign"), pk=pk, method__in=Donation.OFFLINE)
    if found.refunded_minor:
        messages.info(
            request,
            gettext("%(reference)s was cancelled and is not corrected any more. Enter the gift anew.")
            % {"reference": found.reference},
        )
        return redirect("staff-gift", pk)
    now = database_now()
    if request.method != "POST":
        return _correction_page(request, form=CorrectionForm(donation=found, now=now))
    form = CorrectionForm(request.POST, donation=found, now=now)
    if not form.is_valid():
        return _correction_page(request, form=form)
    doubts = Doubts(gift=form.gift, campaign=found.campaign, besides=pk)
    if doubts.is_new_to(request):
        return _correction_page(request, form=form, doubts=doubts)
    seen = request.POST.get("corrections", "")
    try:
        corrections.correct_gift(
            donation_id=pk,
            gift=form.gift,
            corrections_seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else -1,
            reason=form.cleaned_data["reason"],
            actor=actor(request),
            now=now,
        )
    except corrections.CorrectedMeanwhile:
        messages.error(
            request, gettext("This gift has been corrected since the form was opened, so nothing more was changed.")
        )
    except corrections.GiftCancelled:
        messages.error(request, gettext("This gift was cancelled meanwhile, so nothing was changed."))
    except corrections.NothingToCorrect:
        messages.info(request, gettext("The form says what the gift says already; nothing was changed."))
    except PoolsBusy:
        return _correction_page(request, form=form, problem=_BUSY, doubts=doubts, status=503)
    else:
        tasks.wake_after_payment(pk)
        found.refresh_from_db()
        messages.success(request, gettext("Corrected. %(outcome)s") % {"outcome": outcome(found)})
    return redirect("staff-gift", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.enter_offline_gift")
def cancel(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take a check or cash back in full, with its match; the receipt becomes void."""
    found = get_object_or_404(Donation.objects.select_related("campaign"), pk=pk, method__in=Donation.OFFLINE)
    form = CancellationForm(request.POST if request.method == "POST" else None, donation=found)
    problem = ""
    if found.refunded_minor:
        messages.info(
            request,
            gettext("%(reference)s is cancelled already; nothing more was done.") % {"reference": found.reference},
        )
        return redirect("staff-gift", pk)
    if request.method == "POST" and form.is_valid():
        try:
            corrections.cancel_gift(donation_id=pk, actor=actor(request), now=database_now(), **form.cleaned_data)
        except corrections.GiftCancelled:
            messages.info(
                request,
                gettext("%(reference)s is cancelled already; nothing more was done.") % {"reference": found.reference},
            )
            return redirect("staff-gift", pk)
        except PoolsBusy:
            problem = str(_BUSY)
        else:
            tasks.wake_after_payment(pk)
            messages.success(
                request,
                gettext("Cancelled %(reference)s. Its match went back, and its receipt becomes void.")
                % {"reference": found.reference},
            )
            return redirect("staff-gift", pk)
    context = {"form": form, "gift": found, "problem": problem, "currency": found.currency}
    context["closed_month"] = closed_month_of(found)
    response = page(request, "donations/staff_gift_cancel.html", found.campaign, context)
    response.status_code = 503 if problem else 200
    return response


def _correction_page(request: HttpRequest, *, form: CorrectionForm, **more: Any) -> HttpResponse:
    """corrections: how many there were when the form was opened, as the form itself says once it was sent."""
    found = form.donation
    seen = request.POST.get("corrections") if request.method == "POST" else found.corrections.count()
    more |= {"gift": found, "corrections": seen, "closed_month": closed_month_of(found)}
    return _form_page(request, form=form, form_key=form_keys.new_form_key(), **more)


class Doubts:
    """What a person should look at before a gift is entered: likely twins, and a moment outside the campaign."""

    def __init__(self, *, gift: OfflineGift, campaign: Campaign, besides: int = 0) -> None:
        self.twins = offline_gifts.likely_twins(campaign=campaign, gift=gift, besides=besides)
        self.is_early = gift.received_at < campaign.opens_at
        self.is_late = gift.received_at >= campaign.closes_at
        self.day = gift.received_at.astimezone(campaign.tz).date()
        self.campaign = campaign

    def __bool__(self) -> bool:
        return bool(self.twins or self.is_early or self.is_late)

    @property
    def names(self) -> str:
        """What there is to look at, for the form to send back: `12 15 early-2026-11-30`."""
        names = [str(twin.pk) for twin in self.twins]
        names += [f"early-{self.day}"] if self.is_early else []
        return " ".join(names + ([f"late-{self.day}"] if self.is_late else []))

    def is_new_to(self, request: HttpRequest) -> bool:
        """Whether there is anything that the person has not yet said yes to."""
        return not set(self.names.split()) <= set(request.POST.get("seen", "").split())


def outcome(donation: Donation) -> str:
    """What became of its match and its receipt, in two sentences."""
    match = gift_match(key=donation.match_key)
    minor = match.match_minor if match else 0
    shown = format_amount(minor, currency=donation.currency)
    matched = gettext("It is not matched; “Why” below says for what reason.")
    if minor:
        matched = gettext("It is matched with %(amount)s.") % {"amount": shown}
    receipt = gettext("Its receipt waits among the receipts to post.")
    if donation.donor_email:
        receipt = gettext("Its receipt goes out by e-mail.")
    return f"{matched} {receipt}"


def _entered_before(request: HttpRequest, donation: Donation) -> HttpResponse:
    messages.info(
        request,
        gettext("This form has entered %(reference)s already, once. Nothing more was entered.")
        % {"reference": donation.reference},
    )
    return redirect("staff-gift", donation.pk)


def _form_page(
    request: HttpRequest,
    *,
    form: OfflineGiftForm,
    form_key: FormKey,
    problem: "StrOrPromise" = "",
    doubts: Doubts | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context = {
        "form": form,
        "form_key": form_key.sealed,
        "problem": problem,
        "doubts": doubts,
        "currency": form.campaign.currency,
        "campaigns": other_campaigns(form.campaign),
        **more,
    }
    response = page(request, "donations/staff_gift_form.html", form.campaign, context)
    response.status_code = status
    return response


def other_campaigns(campaign: Campaign) -> list[Campaign]:
    return list(Campaign.objects.exclude(pk=campaign.pk).order_by("-opens_at")[:10])
