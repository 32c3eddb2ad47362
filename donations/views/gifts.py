"""`/gifts/<token>/`: one gift's own pages, for whoever holds its token: pay, change, follow, receipt."""

import logging
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaign.clock import database_now
from donations import form_keys, gateway, giving, kept_gifts, limits, outage, payments, proofs, scheduling
from donations.content_policy import opens_for_stripe
from donations.gift_page import GiftPage
from donations.models import Designation, Donation, Receipt
from donations.pay_words import NOTHING
from donations.payment_page import PaymentPage
from donations.receipt_pdf import render_receipt
from donations.text_fields import one_line
from matching.ledger import DONOR, PoolsBusy
from matching.queries import gift_match

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

log = logging.getLogger(__name__)

_TOO_MANY = format_lazy(
    # Translators: {nothing} is the sentence “Nothing was charged.”
    _("Too many tries were made for this gift. {nothing} Please call us, and we take it by phone."),
    nothing=NOTHING,
)
_TOO_MANY_UNKNOWN = _(
    "Too many tries were made for this gift, and the card company does not tell us at this moment whether one of them "
    "went through. Please do not pay again: your gift’s page will tell you."
)
_EARLIER_TRY = _(
    "Whether your earlier try went through, your gift’s page will tell you: please do not pay again before."
)
_BROKEN = _("Paying is not possible here at this moment, and nothing was charged by this try. Please call us.")
_CROWDED = _("Very many gifts are arriving this second. Nothing was charged by this try. Press Give once more.")
_MANY = _("Very many gifts are arriving this second.")
_SILENT = _("The card company does not answer, so we cannot let this payment go yet.")
_CHECKING = _(
    "We check that no machine is trying out stolen cards. There is nothing for you to do; it takes some seconds."
)
_NETWORK = _(
    "Very many gifts are being paid from your network at this moment. Yours goes on by itself in some seconds; "
    "there is nothing to press."
)
_LOOK_AGAIN_SECONDS = 10
_CROWD_SECONDS = 2
# What pay.js is answered when a payment cannot be opened: its code, the donor's sentence, the status.
_REFUSALS: "dict[type[Exception], tuple[str, StrOrPromise, int]]" = {
    payments.MatchUndecided: ("match_is_lower", _("Your match is not decided yet. Nothing was charged."), 409),
    payments.MatchIsLower: ("match_is_lower", _("The match is lower than the form showed. Please choose first."), 409),
    payments.HoldLapsed: ("hold_lapsed", _("The hold on your match has ended. Nothing was charged."), 409),
    giving.GiftAlreadyPaid: ("not_open", _("This gift is already paid, or is being paid."), 409),
    payments.TooManyTries: ("too_many_tries", _TOO_MANY, 429),
    limits.TooManyAttempts: ("too_many_tries", limits.SENTENCE, 429),
    PoolsBusy: ("busy", _CROWDED, 503),
    gateway.GatewayRefused: ("broken", _BROKEN, 502),
    gateway.PaymentUnderWay: ("not_open", _("This gift is already being paid."), 409),
    gateway.GatewayUnavailable: ("unavailable", _CROWDED, 503),
    payments.PaymentMismatch: ("broken", _BROKEN, 502),
}
_ANSWERED: tuple[type[Exception], ...] = (
    payments.InLine,
    limits.SourceCrowded,
    payments.ProofNeeded,
    payments.PaymentUnavailable,
    *_REFUSALS,
)
TOKEN = re.compile(r"[\w-]{1,64}", re.ASCII)
_TYPED_AGAIN = (Donation.State.ABANDONED, Donation.State.FAILED)
_OPEN = (Donation.State.STARTED, Donation.State.PROCESSING)


def private(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Nobody but the holder of the token: no copy in caches or search engines, no address told to other sites."""

    @wraps(view)
    def private(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return private


def _gift_or_404(token: str) -> Donation:
    designations = Prefetch("designations", Designation.objects.select_related("fund"))
    gifts = Donation.objects.select_related("campaign", "monthly").prefetch_related(designations)
    gift = gifts.filter(token=token).first() if TOKEN.fullmatch(token) else None
    if gift is None:
        raise Http404("no gift has this token")
    return gift


def _to(name: str, gift: Donation) -> HttpResponse:
    response = redirect(name, gift.token)
    response.status_code = 303
    return response


@private
@require_safe
def gift(request: HttpRequest, token: str) -> HttpResponse:
    """What became of the gift, by our own records; the fragment in it follows on."""
    has_answer = "look" in request.GET and _ask_stripe(_gift_or_404(token))
    now = database_now()
    page = GiftPage(_gift_or_404(token), now=now, arrived_at=now, asked_after=now, has_answer=has_answer)
    found = page.gift
    return render(request, "donations/gift.html", {"page": page, "gift": found, "again": "again" in request.GET})


@private
@require_safe
def status(request: HttpRequest, token: str) -> HttpResponse:
    """The fragment that follows a payment: 204 while nothing is new, 286 when there is nothing left to wait for."""
    is_answered = _ask_stripe(_gift_or_404(token))
    now = database_now()
    found = _gift_or_404(token)
    arrived_at = _moment(request.GET.get("since", ""), now=now)
    asked_after = _moment(request.GET.get("asked", ""), now=now) if is_answered else now
    page = GiftPage(found, now=now, arrived_at=arrived_at, asked_after=asked_after)
    if page.version == request.GET.get("seen") and page.is_followed and is_answered:
        return HttpResponse(status=204)
    response = render(request, "donations/_gift.html", {"page": page, "gift": found, "is_fragment": True})
    response.status_code = 200 if page.is_followed else 286
    return response


def _ask_stripe(gift: Donation) -> bool:
    """Learn of a payment whose event is late; the question is asked once in a few seconds, however many look on.

    False when there was no answer that counts: the page then goes on waiting instead of saying "not charged".
    """
    is_saving = gift.state == Donation.State.STARTED and gift.setup_intent and gift.pay_by is None
    if not is_saving and (gift.state not in _OPEN or not gift.payment_intent):
        return True
    try:
        if is_saving:
            scheduling.ask_stripe(donation_id=gift.pk, now=database_now())
            return True
        payments.ask_stripe(donation_id=gift.pk, now=database_now())
    except (gateway.GatewayUnavailable, PoolsBusy):
        return False
    except (gateway.GatewayRefused, payments.PaymentMismatch):
        log.exception("asking about %s", gift.reference)
        return False
    return True


def _moment(text: str, *, now: datetime) -> datetime:
    """A moment that one of our pages wrote into its own question; nonsense counts as now."""
    try:
        return min(now, datetime.fromtimestamp(float(text), tz=now.tzinfo))
    except (ValueError, OverflowError, OSError):
        return now


@private
@opens_for_stripe
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """GET: the payment step; for a gift that was kept while the pools were busy, its match first, which the page
    itself asks for until it is there. POST: hold the match again after it lapsed.

    Who comes back here after Give was pressed may have paid without knowing it: then Stripe is asked first.
    """
    found = _gift_or_404(token)
    if request.method != "POST" and found.end_is_unknown and outage.down_since() is None and _ask_stripe(found):
        found = _gift_or_404(token)
    if found.state != Donation.State.STARTED:
        return _to("gift", found)
    now = database_now()
    if found.awaits_match_since is not None:
        kept_gifts.decide_waiting(now=now, up_to=found)
        found = _gift_or_404(token)
    if "undecided" in request.GET:
        return _undecided(found)
    if request.method == "POST":
        return _renew_hold(request, found, now=now)
    page = PaymentPage(found, match=gift_match(key=found.match_key), now=now)
    is_down = outage.down_since() is not None
    context = {"page": page, "gift": found, "campaign": found.campaign, "is_down": is_down}
    if page.template != "donations/pay.html" or not (is_down or page.is_in_line):
        return render(request, page.template, context)
    response = render(request, "donations/pay_waits.html", context)
    response.headers["Refresh"] = str(
        _LOOK_AGAIN_SECONDS if is_down else min(page.seconds_in_line, _LOOK_AGAIN_SECONDS)
    )
    return response


@private
@require_safe
def line(request: HttpRequest, token: str) -> HttpResponse:
    """For pay.js while Stripe does not answer: `{is_down}`, and until when the match is held."""
    found = _gift_or_404(token)
    page = PaymentPage(found, match=gift_match(key=found.match_key), now=database_now())
    return JsonResponse({"is_down": outage.down_since() is not None, "clock": page.clock})


def _undecided(gift: Donation) -> HttpResponse:
    """What pay_undecided.html is told when it asks again: nothing new, or to go on to the payment."""
    if gift.awaits_match_since is not None:
        return HttpResponse(status=204)
    return HttpResponse(headers={"HX-Redirect": reverse("gift-pay", args=[gift.token])})


def _renew_hold(request: HttpRequest, gift: Donation, *, now: datetime) -> HttpResponse:
    """After it: the payment page from the start, or, asked for by pay.js, its match part alone.

    Not alone when the match is lower than before: the donor has to choose first, on a page of its own.
    """
    try:
        match = giving.renew_hold(donation_id=gift.pk, now=now)
    except giving.GiftAlreadyPaid:
        return _to("gift", gift)
    except limits.TooMuchHeld:
        return _try_again(request, gift, limits.HELD_SENTENCE)
    except PoolsBusy:
        return _try_again(request, gift, _MANY)
    gift = _gift_or_404(gift.token)
    page = PaymentPage(gift, match=match, now=now)
    if "fragment" not in request.POST or page.needs_choice:
        return _to("gift-pay", gift)
    return render(request, "donations/_match_renewed.html", {"page": page, "gift": gift, "campaign": gift.campaign})


def _try_again(request: HttpRequest, gift: Donation, reason: "StrOrPromise") -> HttpResponse:
    unsure = _EARLIER_TRY if gift.payment_intent and gift.end_is_unknown else ""
    context = {"reason": reason, "unsure": unsure, "back": reverse("gift-pay", args=[gift.token])}
    response = render(request, "donations/try_again.html", context, status=503)
    response.headers["Retry-After"] = "5"
    return response


@private
@require_POST
def go_on(request: HttpRequest, token: str) -> HttpResponse:
    """The donor accepts a match lower than the form showed."""
    found = _gift_or_404(token)
    if found.state == Donation.State.STARTED:
        try:
            giving.accept_lower_match(donation_id=found.pk, now=database_now())
        except PoolsBusy:
            return _try_again(request, found, _MANY)
    return _to("gift-pay", found)


@private
@require_POST
def change(request: HttpRequest, token: str) -> HttpResponse:
    """Let the gift go, its match too, and show the form with everything that was typed."""
    found = _gift_or_404(token)
    if found.state == Donation.State.STARTED:
        try:
            giving.abandon_gift(donation_id=found.pk, now=database_now(), actor=DONOR)
        except PoolsBusy:
            return _try_again(request, found, _MANY)
        except (gateway.GatewayUnavailable, gateway.GatewayRefused):
            return _try_again(request, found, _SILENT)
        found.refresh_from_db(fields=["state"])
    if found.state not in _TYPED_AGAIN:
        return _to("gift", found)
    return _to_filled_form(found)


@private
@require_safe
def finish(request: HttpRequest, token: str) -> HttpResponse:
    """Where our e-mails lead: on with the gift wherever it stands. Changes nothing of it, since mail programs look."""
    found = _gift_or_404(token)
    if found.state == Donation.State.STARTED:
        return _to("gift-pay", found)
    return _to_filled_form(found) if found.state in _TYPED_AGAIN else _to("gift", found)


def _to_filled_form(gift: Donation) -> HttpResponse:
    """The form of a gift that was left or not charged, with everything that was typed for it."""
    response = redirect("give")
    response.status_code = 303
    asked_at = int(database_now().timestamp())
    key = form_keys.new_form_key(gift_token=gift.token, session=gift.form_session, asked_at=asked_at)
    form_keys.keep_form_key(response, key)
    return response


@private
@require_POST
def cancel(request: HttpRequest, token: str) -> HttpResponse:
    """Call a scheduled gift off before its day."""
    found = _gift_or_404(token)
    try:
        scheduling.cancel(donation_id=found.pk, now=database_now())
    except scheduling.NotScheduled:
        return _to("gift", found)
    except PoolsBusy:
        return _try_again(request, found, _MANY)
    return _to("gift", found)


@private
@require_POST
def intent(request: HttpRequest, token: str) -> HttpResponse:
    """Open the payment for pay.js: `{client_secret, return_url}`, or `{error, code}` with a sentence for the donor."""
    found = _gift_or_404(token)
    if found.state != Donation.State.STARTED:
        return _refusal("not_open", _("This gift is not waiting for a payment any more."), status=409)
    now = database_now()
    proof = request.POST.get("proof", "")
    try:
        open_step = scheduling.open_card if found.saves_card else payments.open_payment
        client_secret = open_step(donation_id=found.pk, now=now, proof=proof)
    except _ANSWERED as error:
        return _instead(error, _gift_or_404(token))
    page = PaymentPage(found, match=gift_match(key=found.match_key), now=now)
    return JsonResponse({"client_secret": client_secret, "return_url": _address(request, found), "clock": page.clock})


def _instead(error: Exception, gift: Donation) -> JsonResponse:
    """What pay.js is answered instead of a secret."""
    if isinstance(error, payments.InLine | limits.SourceCrowded):
        return _wait(error, gift)
    if isinstance(error, payments.ProofNeeded):
        return ask_for_proof(str(gift.match_key))
    if isinstance(error, payments.PaymentUnavailable):
        is_down = outage.down_since() is not None
        code = ("down" if is_down else "unavailable") if error.is_certain else "unknown"
        return _refusal(code, str(error), status=503)
    return _refused(error, gift)


def ask_for_proof(subject: str) -> JsonResponse:
    """202: pay.js does some work, shows the sentence meanwhile, and sends the same again with the proof."""
    challenge = proofs.new_challenge(subject=subject, now=database_now())
    return JsonResponse({"code": "check", "error": str(_CHECKING), "challenge": challenge}, status=202)


def _wait(error: payments.InLine | limits.SourceCrowded, gift: Donation) -> JsonResponse:
    """202: nothing is wrong; pay.js shows the sentence and sends the same again after so many seconds."""
    now = database_now()
    page = PaymentPage(gift, match=gift_match(key=gift.match_key), now=now)
    if isinstance(error, payments.InLine):
        left = (error.turn_at - now).total_seconds()
        sentence, seconds = page.line_sentence(error.turn_at), min(max(left, 0.2), _LOOK_AGAIN_SECONDS)
    else:
        left = seconds = _CROWD_SECONDS
        sentence = str(_NETWORK)
    answer = {"code": "wait", "error": sentence, "seconds": round(seconds, 2), "left": round(left, 2)}
    return JsonResponse(answer | {"clock": page.clock}, status=202)


def _refused(error: Exception, gift: Donation) -> JsonResponse:
    code, sentence, status = next(answer for kind, answer in _REFUSALS.items() if isinstance(error, kind))
    if status == 502:
        log.error("opening the payment of %s", gift.reference, exc_info=error)
    if isinstance(error, payments.TooManyTries) and not _ask_stripe(gift):
        code, sentence = "unknown", _TOO_MANY_UNKNOWN
    return _refusal(code, sentence, status=status)


def _address(request: HttpRequest, gift: Donation) -> str:
    return request.build_absolute_uri(gift.get_absolute_url())


def _refusal(code: str, sentence: "StrOrPromise", *, status: int) -> JsonResponse:
    return JsonResponse({"code": code, "error": str(sentence)}, status=status)


@private
@require_safe
def receipt_pdf(request: HttpRequest, token: str) -> HttpResponse:
    """The gift's valid receipt, or with ?number= an older one of the same gift, marked void."""
    found = _gift_or_404(token)
    receipts = Receipt.objects.filter(donation=found)
    number = one_line(request.GET.get("number", ""))
    receipt = (receipts.filter(number=number) if number else receipts.filter(voided_at=None)).first()
    if receipt is None:
        return render(request, "donations/receipt_missing.html", {"gift": found}, status=404)
    headers = {"Content-Disposition": f'inline; filename="receipt-{receipt.number}.pdf"'}
    return HttpResponse(render_receipt(receipt), content_type="application/pdf", headers=headers)
