"""`/give/`: one page on which a donor says how much, for what, and who gives; and its line on the match."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from campaign import pages
from campaign.banner import takes_gifts, with_clock
from campaign.clock import database_now
from campaign.copies import Gone
from campaign.countdown import countdown
from campaign.models import Campaign, Organization
from campaign.money import InvalidAmount, parse_amount, plain_amount
from campaign.stamps import one_stamp
from donations import form_keys, giving, limits, public_messages, tributes
from donations.form_keys import FormKey
from donations.forms import TEAM_GONE, GiftForm, GiftPartsForm, fund_problem, funds_that_take_gifts, parts_key
from donations.gateway import GatewayRefused, GatewayUnavailable
from donations.match_line import MatchLine, for_monthly
from donations.match_line import match_line as match_line_for
from donations.models import Donation
from donations.source_codes import codes_of_request
from donations.sources import source_of
from donations.text_fields import one_line
from donations.tribute_fields import typed
from donations.views import suggested_gifts
from donations.views.first_forms import CODE_PLACES, PLACES, Visit, first_form, first_visit
from matching.ledger import PoolsBusy
from matching.queries import pool_figures

_PREFILL_FOR = timedelta(hours=1)
_GIFT_FIELDS = (
    *Donation.OF_DONOR_ONLINE,
    *Donation.SOURCE_CODES,
    *("way", "wants_reminder"),
)
# The form begins with what was typed for a gift that stands so; and says of one in _GOES_ON where it goes on.
_TYPED_AGAIN = (Donation.State.STARTED, Donation.State.FAILED, Donation.State.ABANDONED)
_GOES_ON = (Donation.State.STARTED, Donation.State.PROCESSING, Donation.State.SCHEDULED)
_KEY_PROBLEM = _(
    "Please press Continue once more. Your form came without the mark that keeps a gift from being made twice. "
    "Nothing was charged, and everything you typed is still here."
)
_BUSY = _(
    "Very many gifts are arriving this second, so we could not hold your match yet. Nothing was charged, and "
    "everything you typed is still here. Please press Continue once more."
)


# Kept out of shared caches, but not "no-store": the back button must find what was typed.
@cache_control(private=True, max_age=0, must_revalidate=True)
@require_http_methods(["GET", "HEAD", "POST"])
def give(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    if visit := first_visit(request):
        with one_stamp(), suppress(Gone):
            return _first_page(request, visit, now=now)
    campaign = Campaign.objects.current()
    if campaign is None or not _is_open(campaign, now=now):
        opens_later = campaign is not None and not takes_gifts(campaign, now=now)
        return render(request, "donations/give_closed.html", {"campaign": campaign, "opens_later": opens_later})
    if request.method == "POST":
        return _start_gift(request, campaign)
    form_key = _form_key(request)
    if "new" in request.GET:
        codes = codes_of_request(request)
        response = redirect(f"{reverse('give')}?{urlencode(codes)}" if codes else "give")
        form_keys.keep_form_key(response, form_keys.new_form_key(session=form_key.session))
        return response
    begun = _begun_gift(form_key, campaign=campaign, now=now)
    form, notices = _empty_form(request, campaign=campaign, begun=begun, now=now)
    return _page(request, form=form, form_key=form_key, now=now, parts=_first_parts(form), notices=notices, begun=begun)


def _is_open(campaign: Campaign, *, now: datetime) -> bool:
    return takes_gifts(campaign, now=now) and bool(funds_that_take_gifts(campaign))


def _first_page(request: HttpRequest, visit: Visit, *, now: datetime) -> HttpResponse:
    """The form for a browser that never was here, from a copy (first_forms.py). Gone: make it for this donor alone."""

    def make() -> str:
        campaign = Campaign.objects.current()
        if campaign is None or not _is_open(campaign, now=now):
            raise Gone
        form, _ = _empty_form(request, campaign=campaign, begun=None, now=now)
        form.initial.update(CODE_PLACES)
        context = _shown(form, now=now, parts=_first_parts(form), notices={})
        marks = {name: PLACES[name] for name in ("form_key", "csrf_token", "now_ms")}
        return render_to_string("donations/give.html", context | marks, request)

    form_key = form_keys.new_form_key()
    response = HttpResponse(first_form(request, visit, sealed=form_key.sealed, now=now, make=make))
    form_keys.keep_form_key(response, form_key)
    return response


def _empty_form(
    request: HttpRequest, *, campaign: Campaign, begun: Donation | None, now: datetime
) -> tuple[GiftForm, dict[str, str]]:
    """The form as it stands before anything is typed, and a notice for each part of the address that cannot be had."""
    initial, notices = _initial(request, campaign=campaign, begun=begun)
    form = GiftForm(campaign=campaign, initial=initial)
    form.now = now
    return form, notices


def previewed(request: HttpRequest, *, sight: pages.Sight) -> HttpResponse:
    """The form as donors would see it at that sight: it cannot be sent, and makes and keeps nothing."""
    campaign = Campaign.objects.current()
    if campaign is None or not _is_open(campaign, now=sight.now):
        opens_later = campaign is not None and not takes_gifts(campaign, now=sight.now)
        context = {"campaign": campaign, "opens_later": opens_later, "preview": sight.bar}
        return render(request, "donations/give_closed.html", context)
    form, notices = _empty_form(request, campaign=campaign, begun=None, now=sight.now)
    context = _shown(form, now=sight.now, parts=_first_parts(form), notices=notices, pools=sight.pools)
    return render(request, "donations/give.html", context | {"preview": sight.bar})


@cache_control(private=True, no_store=True)
@require_safe
def match_line(request: HttpRequest) -> HttpResponse:
    """The fragment that follows the donor's typing: the match and the card cost of the gift as it now stands."""
    campaign = Campaign.objects.current()
    if campaign is None:
        return HttpResponse(status=204)
    form = GiftPartsForm(request.GET, campaign=campaign)
    parts = form.parts if form.is_valid() else ()
    context = _quote(campaign, parts=parts, now=timezone.now(), way=request.GET.get("way", ""))
    if form.problem:
        context["line"] = MatchLine("ask", "", form.problem)
    return with_clock(render(request, "donations/_quote.html", context), context)


def _start_gift(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    key = form_keys.unsealed(request.POST.get("form_key", ""))
    form = GiftForm(request.POST, campaign=campaign, contact=_phone())
    form.now = now = database_now()
    kept = form_keys.kept_form_key(request) or form_keys.new_form_key()
    if not form.is_valid() or key is None:
        form_key = FormKey(key, session=kept.session) if key else form_keys.new_form_key(session=kept.session)
        problem = "" if key else str(_KEY_PROBLEM)
        parts = form.parts
        return _page(request, form=form, form_key=form_key, now=now, parts=parts, problem=problem)
    try:
        asked = form.gift_request(
            form_key=key, source=source_of(request), form_session=kept.session, suspicion=_suspicion(request)
        )
        gift = giving.start_gift(campaign=campaign, request=asked, now=now)
    except giving.GiftAlreadyPaid as error:
        return _see(f"{error.donation.get_absolute_url()}?again=1")
    except limits.TooMuchHeld:
        nothing_lost = gettext("Nothing was charged, and everything you typed is still here.")
        problem = f"{limits.HELD_SENTENCE} {nothing_lost}"
        return _page(
            request,
            form=form,
            form_key=FormKey(key, session=kept.session),
            now=now,
            parts=form.parts,
            problem=problem,
            status=429,
        )
    except (PoolsBusy, GatewayUnavailable, GatewayRefused):
        return _page(
            request,
            form=form,
            form_key=FormKey(key, session=kept.session),
            now=now,
            parts=form.parts,
            problem=str(_BUSY),
            status=503,
        )
    response = _see(reverse("gift-pay", args=[gift.token]))
    form_keys.keep_form_key(response, FormKey(key, gift_token=gift.token, session=kept.session))
    return response


def _suspicion(request: HttpRequest) -> str:
    """What a robot's form has and a donor's seldom: an answer to the hidden question, or no time to be filled in.

    It costs nobody the gift: the browser proves some work before it pays (payments.open_payment).
    """
    shortest = timedelta(seconds=settings.FORM_LEAST_SECONDS)
    is_quick = form_keys.was_sent_within(request.POST.get("form_key", ""), shortest)
    signs = {"hidden field": bool(request.POST.get("website")), "sent at once": is_quick}
    return ", ".join(sign for sign, is_there in signs.items() if is_there)


def _see(address: str) -> HttpResponse:
    """303: the browser gets the next page, and a reload there sends no form."""
    return HttpResponse(status=303, headers={"Location": address})


def _page(
    request: HttpRequest,
    *,
    form: GiftForm,
    form_key: FormKey,
    now: datetime,
    parts: tuple[tuple[int, int], ...],
    notices: dict[str, str] | None = None,
    problem: str = "",
    status: int = 200,
    begun: Donation | None = None,
) -> HttpResponse:
    context = _shown(form, now=now, parts=parts, notices=notices or {}) | {
        "form_key": form_key.sealed,
        "problem": problem,
        "must_wait": status == 429,
        "begun": begun if begun and begun.state in _GOES_ON else None,
    }
    response = render(request, "donations/give.html", context, status=status)
    form_keys.keep_form_key(response, form_key)
    return response


def _shown(
    form: GiftForm,
    *,
    now: datetime,
    parts: tuple[tuple[int, int], ...],
    notices: dict[str, str],
    pools: str = "",
) -> dict[str, Any]:
    """What the page shows of a form. pools: a state to show the pools in, for a preview."""
    campaign = form.campaign
    _point_to_notices(form, notices)
    way = str(form["way"].value() or Donation.Way.ONCE)
    is_over = now >= campaign.closes_at
    return _quote(campaign, parts=parts, now=now, way=way, pools=pools) | {
        "way": way,
        "form": form,
        "notices": notices,
        **suggested_gifts.shown(form),
        "pools": [] if is_over else pool_figures(campaign=campaign, now=now, shown_as=pools),
        "phase": campaign.phase(now=now),
    }


def _point_to_notices(form: GiftForm, notices: dict[str, str]) -> None:
    """Tie what is said of the address to the field it stands beside, as Django ties a form's own errors."""
    for name in notices:
        places = f"id_{name}_helptext id_{name}_error" if form.fields[name].help_text else f"id_{name}_error"
        form.fields[name].widget.attrs |= {"aria-describedby": places, "aria-invalid": "true"}


def _quote(
    campaign: Campaign, *, parts: tuple[tuple[int, int], ...], now: datetime, way: str, pools: str = ""
) -> dict[str, Any]:
    """What the page says of the gift as it stands: its match, and the exact card cost."""
    amount_minor = sum(amount for _, amount in parts)
    is_later = way == Donation.Way.SCHEDULED and now < campaign.opens_at
    line = match_line_for(campaign=campaign, parts=parts, now=campaign.opens_at if is_later else now, pools=pools)
    return {
        "campaign": campaign,
        "amount_minor": amount_minor,
        "fee_minor": campaign.fee_to_cover_minor(amount_minor=amount_minor) if amount_minor else 0,
        "fee_percent": f"{campaign.fee_basis_points / 100:g}",
        "line": for_monthly(line, campaign=campaign) if way == Donation.Way.MONTHLY and parts else line,
        "parts_key": parts_key(parts),
        "count": countdown(campaign=campaign, now=now),
        "now_ms": int(now.timestamp() * 1000),
    }


def _form_key(request: HttpRequest) -> FormKey:
    """The key this browser was given, until its gift is paid or has failed; then a new one."""
    kept = form_keys.kept_form_key(request)
    over = [Donation.State.PAID, Donation.State.FAILED]
    if kept and not Donation.objects.filter(form_key=kept.key, state__in=over).exists():
        return kept
    return form_keys.new_form_key(session=kept.session if kept else "")


def _begun_gift(form_key: FormKey, *, campaign: Campaign, now: datetime) -> Donation | None:
    """The gift that this browser began and did not pay, for an hour after it was sent or asked for again: a browser
    may be somebody else's later. Also one whose answer never reached the browser: its form's key is known.
    """
    mine = Q(form_key=form_key.key) | Q(token=form_key.gift_token)
    gift = Donation.objects.filter(mine, campaign=campaign).exclude(state=Donation.State.PAID).first()  # the newest
    if gift is None:
        return None
    since = max(gift.submitted_at.timestamp(), form_key.asked_at)
    return gift if now.timestamp() - since < _PREFILL_FOR.total_seconds() else None


def _initial(
    request: HttpRequest, *, campaign: Campaign, begun: Donation | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the form shows at first, and a notice for each part of the address that cannot be had.

    In this order: what the address says (?fund=education&amount=100), the gift this browser started and did not
    pay, the first fund and the second suggested gift.
    """
    notices = {}
    funds = funds_that_take_gifts(campaign)
    initial: dict[str, Any] = {"fund": funds[0].slug, "country": "US", "tell_country": "US"}
    initial["opts_out"] = Organization.objects.filter(opts_out_first=True).exists()
    initial |= _gift_initial(begun, campaign=campaign) | codes_of_request(request)
    if slug := one_line(request.GET.get("fund", "")):
        initial |= _without_split(initial)
        if problem := fund_problem(slug, campaign=campaign):
            notices["fund"] = problem
        else:
            initial["fund"] = slug
    if slug := one_line(request.GET.get("team", ""))[:50]:
        initial["team"] = slug
        teams = {team.slug: team.is_open for team in campaign.teams.all()}
        if any(teams.values()) and not teams.get(slug):
            notices["team"] = str(TEAM_GONE)
    amount_text = (request.GET.get("other_amount") or request.GET.get("amount") or "")[:30]
    if amount_text:
        try:
            amount_minor = parse_amount(amount_text, currency=campaign.currency)
            initial |= _without_split(initial) | _amount_initial(amount_minor, campaign=campaign)
        except InvalidAmount as error:
            notices["other_amount"] = str(error)
    return _beside_presets(initial, campaign=campaign), notices


def _amount_initial(amount_minor: int, *, campaign: Campaign) -> dict[str, Any]:
    return {"amount": "", "other_amount": plain_amount(amount_minor, currency=campaign.currency)}


def _beside_presets(initial: dict[str, Any], *, campaign: Campaign) -> dict[str, Any]:
    """The amount as the suggested gift of its fund that it is, if it is one; without any the second of them."""
    if any(value for name, value in initial.items() if name.startswith("split-")):
        return initial
    suggested = suggested_gifts.of_fund(initial["fund"], campaign=campaign)
    text = initial.get("other_amount") or suggested_gifts.usual(suggested)
    is_suggested = text in {text for _, text, _ in suggested}
    return initial | {"amount": text if is_suggested else "", "other_amount": "" if is_suggested else text}


def _without_split(initial: dict[str, Any]) -> dict[str, Any]:
    return {name: "" for name in initial if name.startswith("split-")}


def _gift_initial(gift: Donation | None, *, campaign: Campaign) -> dict[str, Any]:
    """What was typed for the gift that this browser began; nothing of one that is on its way."""
    if gift is None or gift.state not in _TYPED_AGAIN:
        return {}
    initial = {name: getattr(gift, name) for name in _GIFT_FIELDS} | {"cover_fee": gift.fee_minor > 0}
    initial |= {"opts_out": gift.opted_out_at is not None, "message": public_messages.text_of(gift)}
    initial["team"] = gift.team.slug if gift.team else ""
    initial |= typed(tributes.asked_of(gift))
    designations = list(gift.designations.select_related("fund"))
    initial["fund"] = designations[0].fund.slug
    if len(designations) == 1:
        return initial | _amount_initial(gift.amount_minor, campaign=campaign)
    split = {f"split-{row.fund.slug}": plain_amount(row.amount_minor, currency=gift.currency) for row in designations}
    return initial | split | {"amount": "", "other_amount": ""}


def _first_parts(form: GiftForm) -> tuple[tuple[int, int], ...]:
    """The gift that the empty form stands at, judged as if it had been sent."""
    names = ("amount", "other_amount", "fund", *(field.name for field in form.split_fields))
    shown = {name: form.initial.get(name, "") for name in names}
    parts = GiftPartsForm(shown, campaign=form.campaign)
    return parts.parts if parts.is_valid() else ()


def _phone() -> str:
    organization = Organization.objects.first()
    return organization.phone if organization else ""
