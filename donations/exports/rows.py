"""What the files and their totals both read, and how a row says it."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from campaign.models import Campaign
from campaign.money import plain_amount
from donations.models import Designation, Donation, Receipt, StripeMovement
from donations.search import Days
from matching.models import LedgerEntry

BATCH = 1_000
Row = TypeVar("Row", bound=Model)


@contextmanager
def snapshot() -> Iterator[None]:
    """One moment of the database for everything read within: gifts that come in meanwhile are not in the file.

    A read-only REPEATABLE READ transaction. Inside somebody's transaction, that one's rules stay.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def paid_gifts(*, campaign: Campaign, days: Days) -> QuerySet[Donation]:
    start, end = days.moments(campaign.tz)
    found = Donation.objects.filter(campaign=campaign, state=Donation.State.PAID)
    found = found.filter(paid_at__gte=start) if start else found
    return found.filter(paid_at__lt=end) if end else found


def receipts_of(*, campaign: Campaign, days: Days) -> QuerySet[Receipt]:
    found = Receipt.objects.filter(donation__campaign=campaign)
    found = found.filter(receipt_date__gte=days.first) if days.first else found
    return found.filter(receipt_date__lte=days.last) if days.last else found


def award_entries(*, campaign: Campaign, days: Days) -> QuerySet[LedgerEntry]:
    start, end = days.moments(campaign.tz)
    found = LedgerEntry.objects.filter(pool__campaign=campaign, reason__in=("award", "withdraw"))
    found = found.filter(recorded_at__gte=start) if start else found
    return found.filter(recorded_at__lt=end) if end else found


def batches(found: QuerySet[Row]) -> Iterator[list[Row]]:
    """Rows through a server-side cursor, BATCH at a time: memory does not grow with the file."""
    rows = found.iterator(chunk_size=BATCH)
    while batch := list(islice(rows, BATCH)):
        yield batch


def parts_by_gift(gifts: list[Donation]) -> dict[int, list[tuple[int, int]]]:
    """(fund id, amount in minor units) of each gift, in order. One query."""
    parts = defaultdict(list)
    found = Designation.objects.filter(donation__in=[gift.pk for gift in gifts]).order_by("position", "pk")
    for gift_id, fund_id, part_minor in found.values_list("donation_id", "fund_id", "amount_minor"):
        parts[gift_id].append((fund_id, part_minor))
    return parts


def payouts_of(sources: list[str]) -> dict[str, str]:
    """The payouts in which these charges, refunds and disputes came first, as far as known. One query."""
    moved = StripeMovement.objects.filter(source__in=[source for source in sources if source]).exclude(payout="")
    return dict(moved.order_by("-moved_at", "-pk").values_list("source", "payout"))


def local(moment: datetime, campaign: Campaign) -> datetime:
    return moment.astimezone(campaign.tz)


def split_text(split: list[tuple[str, int]], *, currency: str) -> str:
    return "; ".join(f"{name}: {plain_amount(minor, currency=currency)}" for name, minor in split)
