"""Gifts and receipts for finance, by days of the campaign's time zone; docs/exports.md explains every column.

A gift belongs to the day on which it was paid, a receipt to the day of its gift: so the valid receipts of some days
add up to what stays of the gifts of those days. Refunds lower the figures of the gift's own day.
Match money is sponsors' money: it has a column of its own and is in no sum of gifts.
These are gifts as they stand now: what was booked of a month that is closed is in donations/periods.
"""

from donations.exports.rows import (
    batches,
    local,
    parts_by_gift,
    payouts_of,
    snapshot,
    split_text,
)
from donations.exports.tables import (
    awards_table,
    gifts_table,
    parts_table,
    receipts_table,
)
from donations.exports.totals import (
    GiftTotals,
    ReceiptTotals,
    awaited,
    awarded_minor,
    gift_totals,
    receipt_totals,
)

__all__ = [
    "GiftTotals",
    "ReceiptTotals",
    "awaited",
    "awarded_minor",
    "awards_table",
    "batches",
    "gift_totals",
    "gifts_table",
    "local",
    "parts_by_gift",
    "parts_table",
    "payouts_of",
    "receipt_totals",
    "receipts_table",
    "snapshot",
    "split_text",
]
