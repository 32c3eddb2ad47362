"""The giving form as a donor first sees it, made once a second for each fund and suggested gift.

In the minute when a match opens nearly every visit is a browser's first, and the form is the one page that cannot be
kept whole. Here it is kept with a place for whatever is a donor's own: the form's key, the mark against forged
requests, the moment, and the codes of the link. Who has been here before, or asks for an amount of their own, gets a
page made for them alone.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.html import escape

from campaign.banner import takes_gifts
from campaign.copies import Gone, fresh
from campaign.models import Campaign
from campaign.money import plain_amount
from donations import form_keys
from donations.forms import funds_that_take_gifts
from donations.models import Donation
from donations.source_codes import codes_of_request
from matching.moments import next_change

# What stands in a copy where a donor's own is put. No text of anybody's looks like it.
PLACES = {name: f"place.of.{name}.96c1d2" for name in ("form_key", "csrf_token", "now_ms", *Donation.SOURCE_CODES)}
CODE_PLACES = {name: PLACES[name] for name in Donation.SOURCE_CODES}
_ASKED = frozenset({"fund", "amount", "other_amount", *Donation.SOURCE_CODES})

Visit = tuple[str, str]  # the fund's slug and the amount that the address asks for, empty where it asks for none


def first_visit(request: HttpRequest) -> Visit | None:
    """What this browser asks for, if it never was here and asks for nothing but what can be kept."""
    ours = {form_keys.COOKIE, settings.CSRF_COOKIE_NAME, settings.SESSION_COOKIE_NAME}
    if request.method == "POST" or ours & request.COOKIES.keys() or not _ASKED.issuperset(request.GET):
        return None
    return request.GET.get("fund", ""), request.GET.get("other_amount") or request.GET.get("amount", "")


def first_form(request: HttpRequest, visit: Visit, *, sealed: str, now: datetime, make: Callable[[], str]) -> str:
    """The form for that visit, at most about a second old but for what is the donor's own.

    sealed: the form's key as its field carries it. make: renders the form with PLACES in it.
    Raises Gone when none of the site's own pages asks for that: copies of it would be without number.
    """

    def make_if_offered() -> str:
        _, offered = fresh("first-forms", now=now, make=lambda: _offered(now=now), until=until)
        if visit not in offered:
            raise Gone
        return make()

    until = partial(next_change, now=now)
    key = hashlib.sha256(repr(visit).encode()).hexdigest()
    _, page = fresh(f"first-form:{key}", now=now, make=make_if_offered, until=until)
    own = {"form_key": sealed, "csrf_token": get_token(request), "now_ms": str(int(now.timestamp() * 1000))}
    own |= codes_of_request(request)
    for name, place in PLACES.items():
        page = page.replace(place, escape(own.get(name, "")))
    return page


def _offered(*, now: datetime) -> frozenset[Visit]:
    """What the site's pages link to: the form, the form for each fund, each with its suggested gifts. None: closed."""
    campaign = Campaign.objects.current()
    if campaign is None or not takes_gifts(campaign, now=now):
        return frozenset()
    offered = {("", "")}
    for fund in (funds := funds_that_take_gifts(campaign)):
        amounts = [plain_amount(minor, currency=campaign.currency) for minor, _ in campaign.suggested_gifts(fund)]
        written = {"", *amounts, *(amount.removesuffix(".00") for amount in amounts)}
        offered |= {(fund.slug, amount) for amount in written}
    return frozenset(offered) if funds else frozenset()
