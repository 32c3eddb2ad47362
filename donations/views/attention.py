"""What needs a person, in full: ticked off, tried again, or decided. And refunds, which staff ask for here."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaign.clock import database_now
from campaign.models import Campaign
from campaign.money import format_amount
from donations import attention, card_refunds, form_keys, gateway, strays, tasks, tick_offs
from donations.attention_forms import ReasonForm, RefundForm
from donations.form_keys import FormKey
from donations.models import Donation, FollowUp, OpeningMail, Reversal, StrayPayment, StripeEvent, TickOff
from donations.periods.months import closed_month_of
from donations.roles import actor, needs
from donations.views.staff import page
from matching.ledger import PoolsBusy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SHOWN = 50
_TICKED_SHOWN = 20
_NO_ANSWER = gettext_lazy(
    "Stripe did not answer, so it is not sure whether the refund was made. Press the button again: the same form never "
    "gives back twice. If this stays, look at the payment in Stripe’s dashboard first."
)
_BUSY = gettext_lazy(
    "Very many gifts are arriving this second. Press the button again; the same form never gives back twice."
)
_TRIED = gettext_lazy("It is tried again now. Reload this page to see how it went.")
_ASKED_ALREADY = gettext_lazy("Somebody else has asked for that already; nothing was changed.")
_NO_KEY = gettext_lazy(
    "The form came without the mark that keeps a refund from being made twice; nothing was given back. Once more:"
)


@require_GET
@needs("donations.view_dashboard")
def needs_a_person(request: HttpRequest) -> HttpResponseBase:
    """Everything that waits for a person, by kind, and what was ticked off lately."""
    campaign = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    return _list_page(request, campaign)


def _list_page(request: HttpRequest, campaign: Campaign, **more: Any) -> HttpResponse:
    open_strays = StrayPayment.objects.filter(decision=StrayPayment.Decision.OPEN).select_related("donation")
    context = {
        "groups": [group for group in map(_group, tick_offs.KINDS) if group["count"]],
        "strays": open_strays[:SHOWN],
        "ticked": _ticked(),
        "decided": _named(StrayPayment.objects.exclude(decided_at=None).order_by("-decided_at"), "decided_by"),
        "form": ReasonForm(),
        **more,
    }
    return page(request, "donations/staff_attention.html", campaign, context)


@require_POST
@needs("donations.add_tickoff")
def tick_off(request: HttpRequest, kind: str, pk: int) -> HttpResponseBase:
    """Take one thing off the list, with a reason."""
    if kind not in tick_offs.KINDS:
        raise Http404
    form = ReasonForm(request.POST)
    version = request.POST.get("version", "")
    campaign = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
    if not form.is_valid() and campaign is not None:
        return _list_page(request, campaign, wrong=(kind, pk), form=form)
    is_off = (
        version.lstrip("-").isdecimal()
        and len(version) < 20
        and tick_offs.tick_off(
            key=kind,
            pk=pk,
            version=int(version),
            reason=form.cleaned_data["reason"],
            actor=actor(request),
            now=database_now(),
        )
    )
    if is_off:
        messages.success(request, gettext("Ticked off. It comes back only if it changes."))
    else:
        messages.info(
            request, gettext("It had changed, or somebody else was quicker: nothing was written. Please look again.")
        )
    return redirect("staff-attention")


@require_POST
@needs("donations.change_followup")
def try_event_again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Apply a failed event again, whether or not its gift is known; the admin's log keeps who asked."""
    event = get_object_or_404(StripeEvent, pk=pk)
    if attention.try_event_again(event=event, actor=actor(request), now=database_now()):
        said = "Asked to try again on the staff pages."
        LogEntry.objects.log_actions(request.user.pk or 0, [event], CHANGE, change_message=said)
        tasks.wake(tasks.apply_event, event.pk)
        messages.success(request, _TRIED)
    else:
        messages.info(request, _ASKED_ALREADY)
    return redirect("staff-attention")


@require_POST
@needs("donations.change_followup")
def try_opening_mail_again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a reminder of the opening again that failed for good; the admin's log keeps who asked."""
    mail = get_object_or_404(OpeningMail, pk=pk)
    if attention.try_opening_mail_again(mail=mail, now=database_now()):
        said = "Asked to try again on the staff pages."
        LogEntry.objects.log_actions(request.user.pk or 0, [mail], CHANGE, change_message=said)
        tasks.wake(tasks.send_opening_mail, mail.pk, queue=settings.MAIL_QUEUE)
        messages.success(request, _TRIED)
    else:
        messages.info(request, _ASKED_ALREADY)
    return redirect("staff-attention")


@require_GET
@needs("donations.view_straypayment")
def stray(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One payment that fits no gift, with what can be done about it."""
    return _stray_page(request, get_object_or_404(StrayPayment.objects.select_related("donation__campaign"), pk=pk))


@require_POST
@needs("donations.refund_gift")
def decide_stray(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Refund it, accept it as a gift, or leave it as it is: once, with a reason."""
    found = get_object_or_404(StrayPayment.objects.select_related("donation__campaign"), pk=pk)
    decide = {"refund": strays.refund, "accept": strays.accept, "leave": strays.leave}.get(request.POST.get("do", ""))
    form = ReasonForm(request.POST)
    if not form.is_valid() or decide is None:
        return _stray_page(request, found, form=form)
    try:
        decide(stray_id=pk, actor=actor(request), reason=form.cleaned_data["reason"], now=database_now())
    except strays.AlreadyDecided as error:
        messages.info(
            request, gettext("Somebody has decided that already: %(error)s. Nothing was changed.") % {"error": error}
        )
    except strays.CannotAccept:
        messages.error(request, gettext("It cannot be accepted: no gift is known for it, or its currency is another."))
    except gateway.GatewayUnavailable:
        return _stray_page(request, found, form=form, problem=_NO_ANSWER)
    except gateway.GatewayRefused as error:
        return _stray_page(
            request,
            found,
            form=form,
            problem=gettext("Stripe refused it, and nothing was changed: %(error)s") % {"error": error},
        )
    except PoolsBusy:
        return _stray_page(request, found, form=form, problem=_BUSY)
    else:
        messages.success(request, gettext("Done. Who decided, when and why stands below."))
    return redirect("staff-stray", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("donations.refund_gift")
def refund(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Give back some or all of a gift by card or bank debit."""
    gift = get_object_or_404(Donation.objects.select_related("campaign"), pk=pk)
    if request.method != "POST":
        return _refund_page(request, gift, form=RefundForm(gift=gift), form_key=form_keys.new_form_key())
    key = form_keys.unsealed(request.POST.get("form_key", ""))
    if key and Reversal.objects.filter(donation=gift, form_key=key).exists():
        messages.info(request, gettext("This form has made its refund already, once. Nothing more was given back."))
        return redirect("staff-gift", pk)
    form = RefundForm(request.POST, gift=gift)
    form_key = FormKey(key) if key else form_keys.new_form_key()
    if not form.is_valid() or not key:
        return _refund_page(request, gift, form=form, form_key=form_key, problem="" if key else _NO_KEY)
    try:
        made = card_refunds.refund(
            donation_id=gift.pk,
            amount_minor=form.amount_minor,
            reason=form.cleaned_data["reason"],
            comment=form.cleaned_data["comment"],
            form_key=key,
            actor=actor(request),
            now=database_now(),
        )
    except card_refunds.RefundRefused as error:
        # Stripe keeps its refusal for this key: another try needs another.
        return _refund_page(request, gift, form=form, form_key=form_keys.new_form_key(), problem=str(error))
    except (gateway.GatewayUnavailable, PoolsBusy) as error:
        said = _BUSY if isinstance(error, PoolsBusy) else _NO_ANSWER
        return _refund_page(request, gift, form=form, form_key=form_key, problem=said, status=503)
    tasks.wake_after_payment(gift.pk)
    amount = format_amount(made.amount_minor, currency=gift.currency)
    messages.success(
        request,
        gettext("%(amount)s goes back to the donor. The match and the receipt follow by themselves.")
        % {"amount": amount},
    )
    return redirect("staff-gift", pk)


def _refund_page(
    request: HttpRequest,
    gift: Donation,
    *,
    form: RefundForm,
    form_key: FormKey,
    problem: "StrOrPromise" = "",
    status: int = 200,
) -> HttpResponse:
    gift.refresh_from_db(fields=["refunded_minor", "state", "disputed_at"])
    context = {
        "gift": gift,
        "currency": gift.currency,
        "form": form,
        "form_key": form_key.sealed,
        "problem": problem,
        "why_not": card_refunds.why_not(gift),
        "closed_month": closed_month_of(gift),
        "left_minor": card_refunds.refundable_minor(gift),
    }
    response = page(request, "donations/staff_refund.html", gift.campaign, context)
    response.status_code = status
    return response


def _stray_page(
    request: HttpRequest, found: StrayPayment, *, form: ReasonForm | None = None, problem: "StrOrPromise" = ""
) -> HttpResponse:
    campaign = found.donation.campaign if found.donation else Campaign.objects.order_by("-opens_at").first()
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    context = {
        "stray": found,
        "form": form or ReasonForm(),
        "chosen": request.POST.get("do", ""),
        "problem": problem,
        "left_minor": found.amount_minor - found.refunded_minor,
        "can_accept": strays.can_accept(found),
        "decided_by": _name(found.decided_by),
    }
    return page(request, "donations/staff_stray.html", campaign, context)


def _group(key: str) -> dict[str, Any]:
    kind = tick_offs.KINDS[key]
    rows = list(tick_offs.detailed(key)[:SHOWN])
    count = len(rows) if len(rows) < SHOWN else tick_offs.open_rows(key).count()
    things = [_Thing(key, row) for row in rows]
    return {"kind": kind, "count": count, "things": things, "more": count - len(things)}


class _Thing:
    """One line of the list, with where it leads and where "Try again" goes, if anywhere."""

    def __init__(self, key: str, row: Any) -> None:
        self.pk, self.version = row.pk, row.version
        self.text = attention.described(row)
        gift_id = tick_offs.gift_id_of(key, row)
        self.url = reverse("staff-gift", args=[gift_id]) if gift_id else ""
        self.again_url = ""
        if key == "event":
            self.url = self.url or reverse("admin:donations_stripeevent_change", args=[row.pk])
            self.again_url = reverse("staff-stripe-event-again", args=[row.pk])
        elif isinstance(row, OpeningMail):
            self.again_url = reverse("staff-opening-mail-again", args=[row.pk])
        elif isinstance(row, FollowUp):
            self.again_url = reverse("staff-follow-up-again", args=[gift_id, row.pk])


def _ticked() -> list[Any]:
    rows = _named(TickOff.objects.all(), "actor")
    for row in rows:
        row.title = tick_offs.KINDS[row.kind].title if row.kind in tick_offs.KINDS else row.kind
    return rows


def _named(rows: Any, field: str) -> list[Any]:
    """The newest rows, each with `by`: the name of who did it."""
    found = list(rows[:_TICKED_SHOWN])
    ids = {getattr(row, field).partition(":")[2] for row in found if getattr(row, field).startswith("staff:")}
    names = {f"staff:{user.pk}": user.get_full_name() or user.username for user in User.objects.filter(pk__in=ids)}
    for row in found:
        row.by = names.get(getattr(row, field), getattr(row, field).capitalize())
    return found


def _name(who: str) -> str:
    user = User.objects.filter(pk=who.partition(":")[2]).first() if who.startswith("staff:") else None
    return (user.get_full_name() or user.username) if user else who.capitalize()
