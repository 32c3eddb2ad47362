"""`/remind-me/`: ask for one e-mail when the campaign begins; `/remind-me/<token>/`: confirm it, or stop it."""

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaign.clock import database_now
from campaign.countdown import start_text
from campaign.models import Campaign
from donations import openings
from donations.models import OpeningReminder
from donations.sources import source_of
from donations.tasks import send_opening_mail, wake
from donations.text_fields import MailField
from donations.views.gifts import private

_PAGE = "donations/opening_reminder.html"


class AskForm(forms.Form):
    email = MailField(
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
        error_messages={
            "required": _("Write your e-mail address."),
            "max_length": _("An e-mail address has at most 254 characters. Please check it."),
            "invalid": _("That is not a whole e-mail address. Write it like name@example.org."),
        },
    )


# The form also stands on the first page, which is one copy for everybody and carries no token. What a forged form
# could do here, anybody can do from anywhere: have one question sent.
@csrf_exempt
@private
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponseBase:
    campaign, now = Campaign.objects.current(), database_now()
    if campaign is None or campaign.phase(now=now) != "before":
        return _page(request, campaign, state="begun", status=200 if request.method != "POST" else 409)
    if request.method != "POST":
        return _page(request, campaign, state="form", form=AskForm())
    form = AskForm(request.POST)
    if not form.is_valid():
        return _page(request, campaign, state="form", form=form)
    if request.POST.get("website"):  # the field that no reader sees: a robot is told what everybody is
        return _page(request, campaign, state="sent", email=form.cleaned_data["email"])
    try:
        mail_id = openings.ask(campaign=campaign, email=form.cleaned_data["email"], source=source_of(request), now=now)
    except openings.TooManyAsk:
        return _page(request, campaign, state="many", form=form, status=429)
    if mail_id is not None:
        wake(send_opening_mail, mail_id, queue=settings.MAIL_QUEUE)
    return _page(request, campaign, state="sent", email=form.cleaned_data["email"])


# A mail program that stops a mail with one click sends no cookie and no token of ours (RFC 8058): the link is proof.
@csrf_exempt
@private
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponseBase:
    """Looking changes nothing, since mail programs look at links by themselves: a button does."""
    reminder = openings.reminder_of(token)
    if reminder is None:
        return _page(request, Campaign.objects.current(), state="bad-link", status=404)
    now = database_now()
    state = _state(reminder)
    if request.method == "POST":
        if request.POST.get("do") != "confirm":
            openings.stop(reminder_id=reminder.pk, now=now)
            state = "stopped"
        elif reminder.campaign.phase(now=now) == "before":
            state = "confirmed" if openings.confirm(reminder_id=reminder.pk, now=now) else "already"
    elif state != "stopped" and reminder.campaign.phase(now=now) != "before":
        state = "over"
    return _page(request, reminder.campaign, state=state, email=reminder.email, token=token)


def _state(reminder: OpeningReminder) -> str:
    if reminder.confirmed_at:
        return "already"
    return "stopped" if reminder.stopped_at else "question"


def _page(
    request: HttpRequest,
    campaign: Campaign | None,
    *,
    state: str,
    form: AskForm | None = None,
    email: str = "",
    token: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "campaign": campaign,
        "state": state,
        "form": form,
        "email": email,
        "token": token,
        "opens_text": start_text(campaign.opens_at, campaign=campaign) if campaign else "",
        "phase": campaign.phase(now=database_now()) if campaign else "",
    }
    return render(request, _PAGE, context, status=status)
