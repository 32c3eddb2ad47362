"""`/monthly/<token>/`: a monthly gift's own page, for whoever holds its token: see, change, stop."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaign.clock import database_now
from campaign.money import plain_amount
from donations import gateway, limits, monthly, payments
from donations.content_policy import opens_for_stripe
from donations.models import MonthlyGift
from donations.monthly_forms import MonthlyAmountForm, MonthlyDayForm
from donations.monthly_page import MonthlyPage
from donations.views.gifts import TOKEN, ask_for_proof, private

_AWAY = _("The card company does not answer at this moment.")
_UNSURE = _(
    "We do not know yet whether the change was made; your monthly gift’s page will show it, and we e-mail you. Asking "
    "for the same again does no harm."
)
_NOT_CALLED = (gateway.StripeIsDown, gateway.TurnLater, gateway.GatewayRefused)
_GATEWAY = (gateway.GatewayUnavailable, gateway.GatewayRefused)


def _monthly_or_404(token: str) -> MonthlyGift:
    found = (
        MonthlyGift.objects.select_related("campaign").filter(token=token).first() if TOKEN.fullmatch(token) else None
    )
    if found is None:
        raise Http404("no monthly gift has this token")
    return found


@private
@require_safe
def show(request: HttpRequest, token: str) -> HttpResponse:
    return _page(request, _monthly_or_404(token))


@private
@require_POST
def change_amount(request: HttpRequest, token: str) -> HttpResponse:
    found = _monthly_or_404(token)
    form = MonthlyAmountForm(request.POST, monthly=found)
    if not form.is_valid():
        return _page(request, found, amount_form=form)
    try:
        monthly.change_amount(
            monthly_id=found.pk, amount_minor=form.amount_minor, fee_minor=form.fee_minor, now=database_now()
        )
    except monthly.NotRunning:
        return _back(found)
    except _GATEWAY as error:
        return _try_again(request, found, error)
    return _back(found, changed=True)


@private
@require_POST
def change_day(request: HttpRequest, token: str) -> HttpResponse:
    found = _monthly_or_404(token)
    form = MonthlyDayForm(request.POST)
    if not form.is_valid():
        return _page(request, found, day_form=form)
    try:
        monthly.change_day(monthly_id=found.pk, day=form.cleaned_data["day"], now=database_now())
    except monthly.NotRunning:
        return _back(found)
    except _GATEWAY as error:
        return _try_again(request, found, error)
    return _back(found, changed=True)


@private
@opens_for_stripe
@require_safe
def card(request: HttpRequest, token: str) -> HttpResponseBase:
    """The page on which another card is saved; its number goes to Stripe alone."""
    found = _monthly_or_404(token)
    if not found.is_running:
        return _back(found)
    page = MonthlyPage(found, now=database_now())
    return render(request, "donations/monthly_card.html", {"page": page, "monthly": found})


@private
@require_POST
def card_intent(request: HttpRequest, token: str) -> JsonResponse:
    """For pay.js: the secret with which the browser saves a card, or a sentence for the donor."""
    found = _monthly_or_404(token)
    try:
        client_secret = monthly.begin_card_change(
            monthly_id=found.pk, now=database_now(), proof=request.POST.get("proof", "")
        )
    except payments.ProofNeeded:
        return ask_for_proof(found.token)
    except monthly.NotRunning:
        return JsonResponse({"code": "not_open", "error": gettext("This monthly gift was stopped.")}, status=409)
    except limits.TooManyAttempts as error:
        return JsonResponse({"code": "too_many_tries", "error": str(error)}, status=429)
    except _GATEWAY:
        said = gettext("The card company does not answer at this moment. Nothing was changed. Try again.")
        return JsonResponse({"code": "unavailable", "error": said}, status=503)
    back = request.build_absolute_uri(reverse("monthly-card-done", args=[found.token]))
    return JsonResponse({"client_secret": client_secret, "return_url": back, "clock": {"now": 0, "until": 0}})


@private
@require_safe
def card_done(request: HttpRequest, token: str) -> HttpResponse:
    """Where the browser comes back: pay with the saved card from now on. Safe to open again."""
    found = _monthly_or_404(token)
    try:
        monthly.finish_card_change(monthly_id=found.pk, now=database_now())
    except monthly.CardNotSaved:
        return redirect("monthly-card", found.token)
    except monthly.NotRunning:
        return _back(found)
    except _GATEWAY as error:
        return _try_again(request, found, error, back=reverse("monthly-card-done", args=[found.token]))
    return _back(found, changed=True)


@private
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks once, POST stops."""
    found = _monthly_or_404(token)
    if not found.is_running:
        return _back(found)
    if request.method != "POST":
        page = MonthlyPage(found, now=database_now())
        return render(request, "donations/monthly_stop.html", {"page": page, "monthly": found})
    try:
        monthly.stop(monthly_id=found.pk, now=database_now())
    except monthly.NotRunning:
        return _back(found)
    except _GATEWAY as error:
        return _try_again(request, found, error, back=reverse("monthly-stop", args=[found.token]))
    return _back(found)


def _page(
    request: HttpRequest,
    found: MonthlyGift,
    *,
    amount_form: MonthlyAmountForm | None = None,
    day_form: MonthlyDayForm | None = None,
) -> HttpResponse:
    page = MonthlyPage(found, now=database_now())
    amount = plain_amount(found.amount_minor, currency=found.currency)
    context = {
        "page": page,
        "monthly": found,
        "changed": "changed" in request.GET,
        "amount_form": amount_form
        or MonthlyAmountForm(initial={"amount": amount, "cover_fee": found.fee_minor > 0}, monthly=found),
        "day_form": day_form or MonthlyDayForm(initial={"day": page.day}),
    }
    return render(request, "donations/monthly.html", context)


def _back(found: MonthlyGift, *, changed: bool = False) -> HttpResponse:
    address = found.get_absolute_url() + ("?changed=1" if changed else "")
    return HttpResponse(status=303, headers={"Location": address})


def _try_again(request: HttpRequest, found: MonthlyGift, error: Exception, *, back: str = "") -> HttpResponse:
    unsure = "" if isinstance(error, _NOT_CALLED) else _UNSURE
    context = {"reason": _AWAY, "unsure": unsure, "back": back or found.get_absolute_url()}
    response = render(request, "donations/try_again.html", context, status=503)
    response.headers["Retry-After"] = "5"
    return response
