"""A closed month as a file: its lines as they were written, in one currency, the same bytes for ever."""

from collections.abc import Iterator
from typing import Any

from donations.models import Donation, Period
from donations.spreadsheets import DAY, MONEY, Column, Table

_ROWS_AT_ONCE = 1_000
_COLUMNS = (
    Column("Line", width=18),
    Column("Day", DAY),
    Column("Kind", width=12),
    Column("Gift", width=12),
    Column("Fund", width=26),
    Column("GL code", width=14),
    Column("Amount", MONEY, is_summed=True),
    Column("Covered fee", MONEY, is_summed=True),
    Column("Total", MONEY, is_summed=True),
    Column("Currency", width=9),
    Column("Method", width=12),
    Column("Check number", width=12),
    Column("Receipt", width=15),
    Column("Stripe PaymentIntent", width=30),
    Column("Stripe charge", width=30),
    Column("Stripe refunds and disputes", width=30),
    Column("Stripe payout", width=30),
    Column("Campaign", width=20),
)
# In plain English, whoever takes the file, so that it is always the same.
_METHODS: dict[str, str] = {
    Donation.Method.CARD: "Card",
    Donation.Method.BANK: "Bank debit",
    Donation.Method.WALLET: "Wallet",
    Donation.Method.CHEQUE: "Check",
    Donation.Method.CASH: "Cash",
}


def table(period: Period, *, currency: str) -> Table:
    return Table(_name(period), "line", _COLUMNS, _rows(period, currency), currency)


def about(period: Period) -> list[tuple[str, str]]:
    """What the workbook's last sheet says of it."""
    return [
        ("Month", f"{_name(period)}, closed for good at {period.closed_at.isoformat(timespec='seconds')}"),
        ("Lines", "What was booked, by gift and fund. Names and codes are as they were at the closing."),
        ("Gift", "Paid in this month."),
        ("Refund", "Went back in this month: refunds, disputes lost, cancellations; of gifts of any month."),
        ("Adjustment", "Of an earlier month, which was closed: Day is the gift’s own."),
        ("Covered fee", "Card cost that the donor paid too, on the line of the gift’s first fund. Total has both."),
    ]


def _name(period: Period) -> str:
    """`December 2026`, in English like all words of the file."""
    return f"{period.first_day:%B %Y}"


def _rows(period: Period, currency: str) -> Iterator[tuple[Any, ...]]:
    kinds = {"gift": "Gift", "refund": "Refund", "adjustment": "Adjustment"}
    for line in period.lines.filter(currency=currency).order_by("number").iterator(chunk_size=_ROWS_AT_ONCE):
        yield (
            f"{period.slug}/{line.number}",
            line.day,
            kinds[line.kind],
            f"G-{line.donation_id}",
            line.fund_name,
            line.gl_code,
            line.amount_minor,
            line.fee_minor,
            line.amount_minor + line.fee_minor,
            line.currency,
            _METHODS.get(line.method, "Other"),
            line.cheque_number,
            line.receipt,
            line.payment_intent,
            line.charge,
            line.refunds,
            line.payout,
            line.campaign_name,
        )
