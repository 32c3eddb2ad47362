"""The files: their columns, and a row for each gift, part of a gift, receipt and award."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign.models import Campaign, Fund
from donations import tributes
from donations.exports.rows import (
    BATCH,
    award_entries,
    batches,
    local,
    paid_gifts,
    parts_by_gift,
    payouts_of,
    receipts_of,
    split_text,
)
from donations.gift_rows import payment_pill
from donations.models import Donation, GiftMessage, Receipt, Reversal, StripeMovement
from donations.queries import split_left
from donations.search import Days
from donations.spreadsheets import COUNT, DAY, MOMENT, MONEY, Column, Table
from matching.models import LedgerEntry, Reservation


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
        Column("Company", width=26),
        Column("Phone", width=16),
        Column(f"No fundraising messages since ({zone})", MOMENT, width=21),
        Column("Message", width=40),
        Column("Message is", width=14),
        Column("Tribute", width=30),
        Column("Telling of the tribute", width=26),
        *(Column(name, width=16) for name in Donation.SOURCE_CODES),
        Column("Department or team", width=26),
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
    entries = award_entries(campaign=campaign, days=days).select_related("pool__sponsor").order_by("recorded_at", "pk")
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
    found = paid_gifts(campaign=campaign, days=days).select_related("donor", "message", "tribute__notice", "team")
    for batch in batches(found.order_by("paid_at", "pk")):
        parts = parts_by_gift(batch)
        matches = _matches(batch)
        ids = [gift.pk for gift in batch]
        fees = _stripe_fees(batch)
        paid_out = payouts_of([gift.charge for gift in batch])
        numbers = dict(Receipt.objects.filter(donation__in=ids, voided_at=None).values_list("donation_id", "number"))
        for gift in batch:
            split = [(funds[fund_id].name, part_minor) for fund_id, part_minor in parts[gift.pk]]
            match = matches.get(gift.match_key, _NO_MATCH)
            message: GiftMessage | None = getattr(gift, "message", None)
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
                gift.company,
                gift.phone,
                local(gift.donor.opted_out_at, campaign) if gift.donor.opted_out_at else None,
                message.text if message else "",
                message.get_state_display().lower() if message else "",
                tributes.text_of(gift),
                tributes.notice_text(gift),
                *(getattr(gift, name) for name in Donation.SOURCE_CODES),
                gift.team.name if gift.team else "",
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
