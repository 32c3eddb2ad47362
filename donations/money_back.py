"""Money that went back, by the day on which it went: refunds, disputes and cancellations, a row each.

The other files lower the gift's own day; this one is for booking a refund on the day of the refund. Over all days what
counts as refunded here is exactly what the gifts file has as refunded.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from campaign.models import Campaign, Fund
from donations.exports import batches, local, parts_by_gift, payouts_of, split_text
from donations.models import Donation, Reversal
from donations.payments import counts_as_refunded
from donations.queries import split_left
from donations.search import Days
from donations.spreadsheets import DAY, MOMENT, MONEY, Column, Table


def reversals_of(*, campaign: Campaign, days: Days) -> QuerySet[Reversal]:
    """Refunds, disputes and cancellations that were made or opened in these days, of paid gifts of any day."""
    start, end = days.moments(campaign.tz)
    found = Reversal.objects.filter(donation__campaign=campaign, donation__state=Donation.State.PAID)
    found = found.filter(created_at__gte=start) if start else found
    return found.filter(created_at__lt=end) if end else found


def refunded_minor(*, campaign: Campaign, days: Days) -> int:
    """What the file's last line says of these days; of gift and fee. Reads their reversals."""
    rows = reversals_of(campaign=campaign, days=days).select_related("donation").order_by("created_at", "pk")
    return sum(sum(_taken(row, before_minor=before)) for batch in batches(rows) for row, before in _with_before(batch))


def refunds_table(*, campaign: Campaign, days: Days) -> Table:
    """One row a refund, dispute or cancellation, those too that count nothing. Read its rows within snapshot()."""
    zone = campaign.time_zone
    columns = [
        Column(f"On ({zone})", DAY, width=18),
        Column(f"At ({zone})", MOMENT, width=21),
        Column("What", width=14),
        Column("How it stands", width=26),
        Column("Gift", width=12),
        Column(f"Gift paid on ({zone})", DAY),
        Column("Donor name", width=26),
        Column("Sum", MONEY),
        Column("Refunded", MONEY, is_summed=True),
        Column("Of the gift", MONEY, is_summed=True),
        Column("Of the covered fee", MONEY, is_summed=True),
        Column("Funds", width=34),
        Column("Currency", width=9),
        Column("Method", width=16),
        Column("Stripe refund or dispute", width=30),
        Column("Stripe charge", width=30),
        Column("Stripe payout", width=30),
        Column(f"Newest report at ({zone})", MOMENT, width=21),
    ]
    return Table("Refunds", "row", columns, _rows(campaign, days), campaign.currency)


def _rows(campaign: Campaign, days: Days) -> Iterator[tuple[Any, ...]]:
    funds = dict(Fund.objects.values_list("pk", "name"))
    found = reversals_of(campaign=campaign, days=days).select_related("donation").order_by("created_at", "pk")
    for batch in batches(found):
        parts = parts_by_gift([row.donation for row in batch])
        paid_out = payouts_of([row.stripe_id for row in batch])
        for row, before in _with_before(batch):
            gift = row.donation
            of_gift, of_fee = _taken(row, before_minor=before)
            split = _split(parts[gift.pk], before_minor=before, after_minor=before + of_gift + of_fee)
            is_offline = row.kind == Reversal.Kind.OFFLINE
            yield (
                local(row.created_at, campaign).date(),
                local(row.created_at, campaign),
                row.get_kind_display(),
                str(Reversal.Cause(row.status).label) if is_offline else row.status.replace("_", " "),
                gift.reference,
                local(gift.moment_paid, campaign).date(),
                gift.donor_name,
                row.amount_minor,
                of_gift + of_fee,
                of_gift,
                of_fee,
                split_text([(funds[pk], minor) for pk, minor in split], currency=gift.currency),
                gift.currency,
                gift.method_label or gift.get_method_display(),
                "" if is_offline else row.stripe_id,
                gift.charge,
                paid_out.get(row.stripe_id, ""),
                local(row.changed_at, campaign),
            )


def _with_before(batch: list[Reversal]) -> Iterator[tuple[Reversal, int]]:
    """Each row with what had gone back of its gift before it, in minor units, as the rows stand now. One query."""
    sums: dict[int, int] = defaultdict(int)
    before = {}
    every = Reversal.objects.filter(donation__in={row.donation_id for row in batch})
    for row in every.order_by("created_at", "pk"):
        before[row.pk] = sums[row.donation_id]
        sums[row.donation_id] += row.amount_minor if counts_as_refunded(row) else 0
    return ((row, before[row.pk]) for row in batch)


def _taken(row: Reversal, *, before_minor: int) -> tuple[int, int]:
    """What a row takes of the gift and of its covered fee: the gift first, never more than was paid."""
    gift = row.donation
    after_minor = before_minor + row.amount_minor if counts_as_refunded(row) else before_minor
    of_gift = min(after_minor, gift.amount_minor) - min(before_minor, gift.amount_minor)
    return of_gift, min(after_minor, gift.total_minor) - min(before_minor, gift.total_minor) - of_gift


def _split(parts: list[tuple[int, int]], *, before_minor: int, after_minor: int) -> list[tuple[int, int]]:
    """(fund id, minor units) by which a gift's funds were lowered; funds that lost nothing are left out."""
    minor = [part_minor for _, part_minor in parts]
    was, left = (split_left(parts_minor=minor, refunded_minor=gone) for gone in (before_minor, after_minor))
    lost = [(fund_id, old - new) for (fund_id, _), old, new in zip(parts, was, left, strict=True)]
    return [(fund_id, lost_minor) for fund_id, lost_minor in lost if lost_minor]
