"""Gifts and receipts for finance, by days of the campaign's time zone; docs/exports.md explains every column.

A gift belongs to the day on which it was paid, a receipt to the day of its gift: so the valid receipts of some days
add up to what stays of the gifts of those days. Refunds lower the figures of the gift's own day.
Match money is sponsors' money: it has a column of its own and is in no sum of gifts.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.db.models import BigIntegerField, Case, Count, F, Model, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from campaign.models import Campaign, Fund
from campaign.money import plain_amount
from donations.gift_rows import payment_pill
from donations.models import Designation, Donation, Receipt, Reversal, StripeMovement
from donations.queries import gift_left_minor, split_left
from donations.search import Days
from donations.spreadsheets import COUNT, DAY, MOMENT, MONEY, Column, Table
from matching.models import Allocation, LedgerEntry, Reservation

BATCH = 1_000
Row = TypeVar("Row", bound=Model)


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


@dataclass(frozen=True)
class Match:
    """What sponsors give for one gift now, by the fund of its part."""

    reference: str
    by_fund_minor: dict[int, int]


_NO_MATCH = Match("", {})
_GIVEN: dict[str, str] = {
    Donation.Way.ONCE: "one-time",
    Donation.Way.MONTHLY: "monthly",
    Donation.Way.SCHEDULED: "scheduled",
}


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
    entries = _award_entries(campaign=campaign, days=days)
    signed = Case(When(reason="award", then=F("amount_minor")), default=-F("amount_minor"))
    return int(entries.aggregate(minor=_sum(signed))["minor"])


def _award_entries(*, campaign: Campaign, days: Days) -> QuerySet[LedgerEntry]:
    start, end = days.moments(campaign.tz)
    found = LedgerEntry.objects.filter(pool__campaign=campaign, reason__in=("award", "withdraw"))
    found = found.filter(recorded_at__gte=start) if start else found
    return found.filter(recorded_at__lt=end) if end else found


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


def gifts_table(*, campaign: Campaign, days: Days) -> Table:
    """One row a gift, in the order in which they were paid. Read its rows within snapshot()."""
    zone = campaign.time_zone
    columns = [
        Column("Gift", width=18),
        Column(f"Paid on ({zone})", DAY),
        Column(f"Paid at ({zone})", MOMENT, width=21),
        Column("State"),
        Column("Disputed", width=10),
        Column("Donor name", width=26),
        Column("Donor e-mail", width=30),
        Column("Address", width=28),
        Column("City", width=16),
        Column("State or region", width=12),
        Column("ZIP", width=10),
        Column("Country", width=9),
        Column("Anonymous in public", width=12),
        Column("Funds", width=34),
        Column("Gift amount", MONEY, is_summed=True),
        Column("Covered fee", MONEY, is_summed=True),
        Column("Total paid", MONEY, is_summed=True),
        Column("Refunded", MONEY, is_summed=True),
        Column("Net paid", MONEY, is_summed=True),
        Column("Raised", MONEY, is_summed=True),
        Column("Currency", width=9),
        Column("Method", width=16),
        Column("Last four", width=9),
        Column("Check number", width=12),
        Column("Receipt", width=15),
        Column("Stripe PaymentIntent", width=30),
        Column("Stripe charge", width=30),
        Column("Match reference", width=16),
        Column("Match (sponsors' money)", MONEY, is_summed=True, width=16),
        Column("Campaign", width=20),
        Column("Monthly gift", width=12),
        Column("Monthly payment", width=12),
        Column("How it was given", width=14),
        Column("Stripe's fees", MONEY, is_summed=True, width=12),
        Column("Stripe payout", width=30),
    ]
    return Table("Gifts", "gift", columns, _gift_rows(campaign, days), campaign.currency)


def parts_table(*, campaign: Campaign, days: Days) -> Table:
    """One row for each fund of each gift: what the general ledger needs. Read its rows within snapshot()."""
    columns = [
        Column("Gift", width=18),
        Column(f"Paid on ({campaign.time_zone})", DAY),
        Column("Fund", width=26),
        Column("GL code", width=14),
        Column("Part of the gift", MONEY, is_summed=True),
        Column("Raised", MONEY, is_summed=True),
        Column("Currency", width=9),
        Column("Donor name", width=26),
        Column("Match for this fund (sponsors' money)", MONEY, is_summed=True, width=18),
    ]
    return Table("By fund", "part", columns, _part_rows(campaign, days), campaign.currency)


def receipts_table(*, campaign: Campaign, days: Days) -> Table:
    """One row a receipt, voided ones too, in the order of issue. Read its rows within snapshot()."""
    zone = campaign.time_zone
    columns = [
        Column("Receipt", width=24),
        Column("Version", COUNT, width=8),
        Column("Gift date", DAY),
        Column(f"Issued at ({zone})", MOMENT, width=21),
        Column("State", width=9),
        Column(f"Voided at ({zone})", MOMENT, width=21),
        Column("Void reason", width=30),
        Column("Replaces", width=15),
        Column("Replaced by", width=15),
        Column("Gift", width=12),
        Column("Donor name", width=26),
        Column("Donor e-mail", width=30),
        Column("Amount on receipt", MONEY),
        Column("Amount if valid", MONEY, is_summed=True),
        Column("Gift amount", MONEY),
        Column("Covered fee", MONEY),
        Column("Refunded", MONEY),
        Column("Funds", width=34),
        Column("Currency", width=9),
        Column("Method", width=24),
        Column("Stripe PaymentIntent", width=30),
        Column("Stripe charge", width=30),
        Column("Match reference", width=16),
        Column("Match (sponsors' money, information)", MONEY, width=18),
    ]
    return Table("Receipts", "receipt", columns, _receipt_rows(campaign, days), campaign.currency)


def awards_table(*, campaign: Campaign, days: Days) -> Table:
    """One row for each sum that a challenge gave or took back. Read its rows within snapshot()."""
    zone = campaign.time_zone
    columns = [
        Column(f"On ({zone})", DAY),
        Column(f"At ({zone})", MOMENT, width=21),
        Column("Sponsor", width=34),
        Column("Match pool", width=34),
        Column("What", width=28),
        Column("Sum (sponsors' money)", MONEY, is_summed=True, width=16),
        Column("Currency", width=9),
        Column("Ledger pool", COUNT, width=10),
        Column("Ledger entry", COUNT, width=10),
    ]
    return Table("Challenges", "sum", columns, _award_rows(campaign, days), campaign.currency)


def _award_rows(campaign: Campaign, days: Days) -> Iterator[tuple[Any, ...]]:
    entries = _award_entries(campaign=campaign, days=days).select_related("pool__sponsor").order_by("recorded_at", "pk")
    for entry in entries.iterator(chunk_size=BATCH):
        is_given = entry.reason == LedgerEntry.Reason.AWARD
        yield (
            local(entry.recorded_at, campaign).date(),
            local(entry.recorded_at, campaign),
            entry.pool.sponsor.name,
            entry.pool.name,
            "Target reached: given" if is_given else "Undone by refunds: taken back",
            entry.amount_minor if is_given else -entry.amount_minor,
            entry.currency,
            entry.pool_id,
            entry.seq,
        )


def _gift_rows(campaign: Campaign, days: Days) -> Iterator[tuple[Any, ...]]:
    funds = Fund.objects.in_bulk()
    for batch in batches(paid_gifts(campaign=campaign, days=days).order_by("paid_at", "pk")):
        parts = parts_by_gift(batch)
        matches = _matches(batch)
        ids = [gift.pk for gift in batch]
        fees = _stripe_fees(batch)
        paid_out = payouts_of([gift.charge for gift in batch])
        numbers = dict(Receipt.objects.filter(donation__in=ids, voided_at=None).values_list("donation_id", "number"))
        for gift in batch:
            split = [(funds[fund_id].name, part_minor) for fund_id, part_minor in parts[gift.pk]]
            match = matches.get(gift.match_key, _NO_MATCH)
            yield (
                gift.reference,
                local(gift.moment_paid, campaign).date(),
                local(gift.moment_paid, campaign),
                payment_pill(gift).text,
                "yes" if gift.disputed_at else "no",
                gift.donor_name,
                gift.donor_email,
                ", ".join(filter(None, [gift.address_line1, gift.address_line2])),
                gift.city,
                gift.region,
                gift.postal_code,
                gift.country,
                "yes" if gift.hides_name else "no",
                split_text(split, currency=gift.currency),
                gift.amount_minor,
                gift.fee_minor,
                gift.total_minor,
                gift.refunded_minor,
                gift.net_minor,
                max(gift.amount_minor - gift.refunded_minor, 0),
                gift.currency,
                gift.method_label or gift.get_method_display(),
                gift.method_last4,
                gift.cheque_number,
                numbers.get(gift.pk, ""),
                gift.payment_intent or "",
                gift.charge,
                match.reference,
                sum(match.by_fund_minor.values()),
                campaign.name,
                f"MG-{gift.monthly_id}" if gift.monthly_id else "",
                ("later" if gift.renews else "first") if gift.monthly_id else "",
                "offline" if gift.is_offline else _GIVEN[gift.way],
                fees.get(gift.pk),
                paid_out.get(gift.charge, ""),
            )


def _part_rows(campaign: Campaign, days: Days) -> Iterator[tuple[Any, ...]]:
    funds = Fund.objects.in_bulk()
    for batch in batches(paid_gifts(campaign=campaign, days=days).order_by("paid_at", "pk")):
        parts = parts_by_gift(batch)
        matches = _matches(batch)
        for gift in batch:
            own = parts[gift.pk]
            left = split_left(parts_minor=[part_minor for _, part_minor in own], refunded_minor=gift.refunded_minor)
            match = matches.get(gift.match_key, _NO_MATCH)
            for (fund_id, part_minor), left_minor in zip(own, left, strict=True):
                fund = funds[fund_id]
                yield (
                    gift.reference,
                    local(gift.moment_paid, campaign).date(),
                    fund.name,
                    fund.gl_code,
                    part_minor,
                    left_minor,
                    gift.currency,
                    gift.donor_name,
                    match.by_fund_minor.get(fund_id, 0),
                )


def _receipt_rows(campaign: Campaign, days: Days) -> Iterator[tuple[Any, ...]]:
    """What the paper says comes from the receipt's own content, so a row never says other than the receipt."""
    found = receipts_of(campaign=campaign, days=days).select_related("donation", "replaces", "replaced_by")
    for batch in batches(found.order_by("pk")):
        for receipt in batch:
            said, gift, voided_at = receipt.content, receipt.donation, receipt.voided_at
            split = [(part["fund"], part["amount_minor"]) for part in said.get("designations", [])]
            match = said.get("match") or {}
            yield (
                receipt.number,
                receipt.version,
                receipt.receipt_date,
                local(receipt.issued_at, campaign),
                "voided" if voided_at else "valid",
                local(voided_at, campaign) if voided_at else None,
                receipt.void_reason,
                receipt.replaces.number if receipt.replaces else "",
                getattr(getattr(receipt, "replaced_by", None), "number", ""),
                gift.reference,
                said.get("donor", {}).get("name", gift.donor_name),
                said.get("donor", {}).get("email", gift.donor_email),
                receipt.amount_minor,
                0 if voided_at else receipt.amount_minor,
                said.get("gift_minor"),
                said.get("fee_minor"),
                said.get("refunded_minor"),
                split_text(split, currency=receipt.currency),
                receipt.currency,
                said.get("method", ""),
                gift.payment_intent or "",
                gift.charge,
                match.get("reference", ""),
                match.get("match_minor"),
            )


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


def _stripe_fees(gifts: list[Donation]) -> dict[int, int]:
    """What Stripe kept for each gift so far, for disputes too, in minor units; nothing while it is not known.

    Two queries. Known from Stripe's balance, which the runs of stripe_runs.py read.
    """
    gift_of = {gift.charge: gift.pk for gift in gifts if gift.charge}
    gift_of |= dict(Reversal.objects.filter(donation__in=gifts).values_list("stripe_id", "donation_id"))
    fees: dict[int, int] = defaultdict(int)
    for source, fee_minor in StripeMovement.objects.filter(source__in=gift_of).values_list("source", "fee_minor"):
        fees[gift_of[source]] += fee_minor
    return fees


def payouts_of(sources: list[str]) -> dict[str, str]:
    """The payouts in which these charges, refunds and disputes came first, as far as known. One query."""
    moved = StripeMovement.objects.filter(source__in=[source for source in sources if source]).exclude(payout="")
    return dict(moved.order_by("-moved_at", "-pk").values_list("source", "payout"))


def _matches(gifts: list[Donation]) -> dict[UUID, Match]:
    """The committed match of each gift that has one, by the gift's key.

    One query for plain values: with whole objects this was two thirds of an export's work.
    """
    found: dict[UUID, Match] = {}
    rows = Reservation.objects.filter(
        key__in=[gift.match_key for gift in gifts], state=Reservation.State.COMMITTED
    ).values_list(
        "key", "reference", "allocations__fund_id", "allocations__amount_minor", "allocations__reversed_minor"
    )
    for key, reference, fund_id, amount_minor, reversed_minor in rows:
        match = found.setdefault(key, Match(reference, defaultdict(int)))
        if fund_id is not None:
            match.by_fund_minor[fund_id] += amount_minor - reversed_minor
    return found


def local(moment: datetime, campaign: Campaign) -> datetime:
    return moment.astimezone(campaign.tz)


def split_text(split: list[tuple[str, int]], *, currency: str) -> str:
    return "; ".join(f"{name}: {plain_amount(minor, currency=currency)}" for name, minor in split)


def _sum(what: Any) -> Coalesce:
    return Coalesce(Sum(what), 0, output_field=BigIntegerField())
