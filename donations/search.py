"""Finding gifts: what staff type, and the filters beside it."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy

from campaign.models import Campaign, Fund
from campaign.money import InvalidAmount, parse_amount
from donations.models import Donation, DonationQuerySet, FollowUp, GiftCorrection, Receipt
from matching.models import Reservation

_GIFT = re.compile(r"G-?(\d{1,18})", re.IGNORECASE)
_MATCH = re.compile(r"M-[0-9A-Z]{10}", re.IGNORECASE)
_RECEIPT = re.compile(r"\d{4}-\d{4,}")
_STRIPE = re.compile(r"(pi|ch|py)_\w+")
_LAST4 = re.compile(r"\d{4}")
_CHEQUE = re.compile(r"[\w-]{1,20}")

STATES = {
    "paid": gettext_lazy("Paid"),
    "open": gettext_lazy("At checkout or processing"),
    "failed": gettext_lazy("Failed"),
    "abandoned": gettext_lazy("Not completed"),
    "refunded": gettext_lazy("Refunded, partly or wholly"),
    "disputed": gettext_lazy("Disputed"),
    "offline": gettext_lazy("Check or cash"),
    "scheduled": gettext_lazy("Scheduled for the opening"),
    "monthly": gettext_lazy("Monthly, first and later payments"),
    "short": gettext_lazy("Match smaller than shown"),
    "failed-receipt": gettext_lazy("Receipt could not be made"),
    "failed-email": gettext_lazy("Receipt refused by the mailbox"),
}


@dataclass(frozen=True)
class Days:
    """Whole days of a time zone, first and last included; either may be open."""

    first: date | None = None
    last: date | None = None

    def moments(self, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
        """The half-open window `[start, end)` of these days in that zone."""
        start = midnight(self.first, zone) if self.first else None
        end = midnight(self.last + timedelta(days=1), zone) if self.last else None
        return start, end


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins there, in UTC. Where the clocks skip midnight, the first moment after the gap.

    In UTC because Python counts within a zone by the clock on the wall, where some days have 23 or 25 hours.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def matching_words(text: str, *, currency: str) -> Q:
    """What a person typed, as a filter: a reference, a receipt's number, an amount, four digits, a check's number, a
    name or e-mail.

    Text that can be read in several ways finds all of them: 4242 is a card's last digits, a check's number, an amount
    and part of a name. Words all have to be found, in any order.
    """
    wanted = text.strip()
    if found := _GIFT.fullmatch(wanted):
        return Q(pk=int(found[1]))
    if _MATCH.fullmatch(wanted):
        keys = Reservation.objects.filter(reference=wanted.upper()).values("key")
        corrected = GiftCorrection.objects.filter(match_key_before__in=keys).values("donation_id")
        return Q(match_key__in=keys) | Q(pk__in=corrected)
    if _STRIPE.fullmatch(wanted):
        return Q(payment_intent=wanted) | Q(charge=wanted)
    if _RECEIPT.fullmatch(wanted):
        return Q(receipts__number=wanted)
    names = Q()
    for word in wanted.split()[:6]:
        names &= Q(donor_name__icontains=word) | Q(donor_email__icontains=word) | Q(company__icontains=word)
    return names | _amount(wanted, currency=currency) | _last_digits(wanted) | _cheque(wanted)


def in_state(state: str) -> Q:
    """One of STATES as a filter; anything else finds all gifts."""
    filters = {
        "open": Q(state__in=[Donation.State.STARTED, Donation.State.PROCESSING]),
        "refunded": Q(refunded_minor__gt=0),
        "disputed": Q(disputed_at__isnull=False),
        "offline": Q(method__in=Donation.OFFLINE),
        "monthly": Q(way=Donation.Way.MONTHLY),
        "short": Q(match_shortfall_minor__gt=0),
        "failed-receipt": Q(pk__in=_failed(FollowUp.Kind.RECEIPT)),
        "failed-email": Q(pk__in=_failed(FollowUp.Kind.EMAIL)),
    }
    if state in filters:
        return filters[state]
    return Q(state=state) if state in STATES else Q()


def find_gifts(*, campaign: Campaign, text: str, state: str, fund: Fund | None, days: Days) -> DonationQuerySet:
    """Gifts of a campaign by everything asked for. days: on which they were sent, in the campaign's time zone."""
    found = Donation.objects.filter(in_state(state), campaign=campaign)
    if text.strip():
        found = found.filter(matching_words(text, currency=campaign.currency))
    if fund is not None:
        found = found.filter(designations__fund=fund)
    start, end = days.moments(campaign.tz)
    if start:
        found = found.filter(submitted_at__gte=start)
    if end:
        found = found.filter(submitted_at__lt=end)
    return found


def find_receipts(*, campaign: Campaign, text: str, state: str, days: Days) -> QuerySet[Receipt]:
    """Receipts of a campaign by number, gift, donor or amount. days: of the gift, as printed on the receipt."""
    found = Receipt.objects.filter(donation__campaign=campaign)
    wanted = text.strip()
    if gift := _GIFT.fullmatch(wanted):
        found = found.filter(donation_id=int(gift[1]))
    elif _RECEIPT.fullmatch(wanted):
        found = found.filter(Q(number=wanted) | Q(replaces__number=wanted))
    elif wanted:
        names = Q()
        for word in wanted.split()[:6]:
            names &= Q(donation__donor_name__icontains=word) | Q(donation__donor_email__icontains=word)
        found = found.filter(names | _receipt_amount(wanted, currency=campaign.currency))
    if state in ("valid", "voided"):
        found = found.filter(voided_at__isnull=state == "valid")
    found = found.filter(receipt_date__gte=days.first) if days.first else found
    return found.filter(receipt_date__lte=days.last) if days.last else found


def _receipt_amount(text: str, *, currency: str) -> Q:
    try:
        return Q(amount_minor=parse_amount(text, currency=currency))
    except InvalidAmount:
        return Q(pk__in=[])


def _amount(text: str, *, currency: str) -> Q:
    try:
        amount_minor = parse_amount(text, currency=currency)
    except InvalidAmount:
        return Q(pk__in=[])
    return Q(amount_minor=amount_minor) | Q(amount_minor=amount_minor - F("fee_minor"))


def _last_digits(text: str) -> Q:
    return Q(method_last4=text) if _LAST4.fullmatch(text) else Q(pk__in=[])


def _cheque(text: str) -> Q:
    return Q(cheque_number=text) if _CHEQUE.fullmatch(text) else Q(pk__in=[])


def _failed(kind: FollowUp.Kind) -> QuerySet[FollowUp, Any]:
    return FollowUp.objects.filter(kind=kind, state=FollowUp.State.FAILED).values("donation_id")
