"""The figures of some days, each the same as the last line of its file."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Case, Count, F, Q, Sum, When
from django.db.models.functions import Coalesce

from campaign.models import Campaign
from donations.exports.rows import award_entries, paid_gifts, receipts_of
from donations.models import Donation, Receipt
from donations.queries import gift_left_minor
from donations.search import Days
from matching.models import Allocation, Reservation


@dataclass(frozen=True)
class GiftTotals:
    """Of the gifts paid in some days. raised_minor is what the day's page counts: gifts less refunds of them.

    paid = gift + fee; net = paid - refunded. count has every paid gift; refunded_count those of which the
    whole gift went back, whatever became of the fee: the rest is what the day's page counts.
    """

    count: int
    refunded_count: int
    gift_minor: int
    fee_minor: int
    paid_minor: int
    refunded_minor: int
    net_minor: int
    raised_minor: int
    matched_minor: int


@dataclass(frozen=True)
class Awaited:
    """Gifts whose bank debit is under way; paid_minor with covered fees."""

    count: int
    paid_minor: int


@dataclass(frozen=True)
class ReceiptTotals:
    """Of the receipts of gifts paid in some days. waiting_count: gifts of those days without a valid receipt."""

    valid_count: int
    voided_count: int
    valid_minor: int
    waiting_count: int


def gift_totals(*, campaign: Campaign, days: Days) -> GiftTotals:
    """Two queries; the same figures as the last line of the gifts file."""
    gifts = paid_gifts(campaign=campaign, days=days)
    row = gifts.aggregate(
        count=Count("pk"),
        given_back=_sum("refunded_minor"),  # not under its field's name, which the filters below mean
        refunded_count=Count("pk", filter=Q(refunded_minor__gte=F("amount_minor"))),
        gift_minor=_sum("amount_minor"),
        fee_minor=_sum("fee_minor"),
        raised_minor=_sum(gift_left_minor()),
    )
    figures = {name: int(value) for name, value in row.items()}
    paid_minor, refunded_minor = figures["gift_minor"] + figures["fee_minor"], figures.pop("given_back")
    matched = Allocation.objects.filter(
        reservation__state=Reservation.State.COMMITTED, reservation__key__in=gifts.values("match_key")
    ).aggregate(minor=_sum(F("amount_minor") - F("reversed_minor")))
    return GiftTotals(
        **figures,
        paid_minor=paid_minor,
        refunded_minor=refunded_minor,
        net_minor=paid_minor - refunded_minor,
        matched_minor=int(matched["minor"]),
    )


def awarded_minor(*, campaign: Campaign, days: Days) -> int:
    """What challenges gave in these days, less what refunds undid in them; it belongs to no gift. One query."""
    entries = award_entries(campaign=campaign, days=days)
    signed = Case(When(reason="award", then=F("amount_minor")), default=-F("amount_minor"))
    return int(entries.aggregate(minor=_sum(signed))["minor"])


def awaited(*, campaign: Campaign, days: Days) -> Awaited:
    """Gifts sent on these days whose bank debit is still under way: paid, they join the files of these days."""
    start, end = days.moments(campaign.tz)
    found = Donation.objects.filter(campaign=campaign, state=Donation.State.PROCESSING)
    found = found.filter(submitted_at__gte=start) if start else found
    found = found.filter(submitted_at__lt=end) if end else found
    row = found.aggregate(count=Count("pk"), paid_minor=_sum(F("amount_minor") + F("fee_minor")))
    return Awaited(count=row["count"], paid_minor=int(row["paid_minor"]))


def receipt_totals(*, campaign: Campaign, days: Days) -> ReceiptTotals:
    """Two queries; valid_minor is the sum on the last line of the receipts file."""
    row = receipts_of(campaign=campaign, days=days).aggregate(
        valid_count=Count("pk", filter=Q(voided_at=None)),
        voided_count=Count("pk", filter=Q(voided_at__isnull=False)),
        valid_minor=Coalesce(Sum("amount_minor", filter=Q(voided_at=None)), 0, output_field=BigIntegerField()),
    )
    owed = paid_gifts(campaign=campaign, days=days).filter(refunded_minor__lt=F("amount_minor") + F("fee_minor"))
    waiting = owed.exclude(pk__in=Receipt.objects.filter(voided_at=None).values("donation_id")).count()
    return ReceiptTotals(**{name: int(value) for name, value in row.items()}, waiting_count=waiting)


def _sum(what: Any) -> Coalesce:
    return Coalesce(Sum(what), 0, output_field=BigIntegerField())
