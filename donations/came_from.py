"""Where gifts came from: paid gifts added up by the codes of the links that led to them."""

from dataclasses import dataclass

from django.db.models import BigIntegerField, Count, F, Q, Sum
from django.db.models.functions import Coalesce

from donations.models import Donation
from donations.queries import gift_left_minor, totals

MOST_ROWS = 50


@dataclass(frozen=True)
class Origin:
    """Gifts whose links carried these three codes. raised_minor: as queries.totals() counts it."""

    source: str
    medium: str
    campaign: str
    gift_count: int
    raised_minor: int


@dataclass(frozen=True)
class Origins:
    """rows: 0..MOST_ROWS, what raised most first. rest_*: of gifts with codes beyond these rows; without_*: without."""

    rows: list[Origin]
    rest_count: int
    rest_minor: int
    without_count: int
    without_minor: int


def origins(*, campaign_id: int) -> Origins:
    """Everything that was paid to a campaign and stayed, by where it came from. Three queries."""
    all_gifts = totals(campaign_id=campaign_id)
    paid = Donation.objects.received().filter(campaign_id=campaign_id, refunded_minor__lt=F("amount_minor")).order_by()
    told = paid.exclude(Q(utm_source="") & Q(utm_medium="") & Q(utm_campaign=""))
    minor = Coalesce(Sum(gift_left_minor()), 0, output_field=BigIntegerField())
    whole = told.aggregate(gifts=Count("pk"), minor=minor)
    grouped = told.values("utm_source", "utm_medium", "utm_campaign").annotate(gifts=Count("pk"), minor=minor)
    best = grouped.order_by(F("minor").desc(), "utm_source", "utm_medium", "utm_campaign")[:MOST_ROWS]
    rows = [
        Origin(row["utm_source"], row["utm_medium"], row["utm_campaign"], row["gifts"], int(row["minor"]))
        for row in best
    ]
    return Origins(
        rows=rows,
        rest_count=whole["gifts"] - sum(row.gift_count for row in rows),
        rest_minor=int(whole["minor"]) - sum(row.raised_minor for row in rows),
        without_count=all_gifts.gift_count - whole["gifts"],
        without_minor=all_gifts.raised_minor - int(whole["minor"]),
    )
