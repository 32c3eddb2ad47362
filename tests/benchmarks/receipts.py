"""Part 4: receipts as PDF, in one process."""

import time

from donations.models import Receipt
from donations.receipt_pdf import render_receipt
from donations.receipts import issue_receipt
from tests import factories
from tests.benchmarks import tables

RECEIPTS = 300
_WARMING = 10


def show() -> None:
    issued = _issued(RECEIPTS + _WARMING)
    for receipt in issued[:_WARMING]:
        render_receipt(receipt)
    began, used = time.monotonic(), time.process_time()
    sizes = [len(render_receipt(receipt)) for receipt in issued[_WARMING:]]
    took, used = time.monotonic() - began, time.process_time() - used
    row = [
        "typst, one process",
        str(RECEIPTS),
        tables.rate(RECEIPTS / took),
        tables.ms(used * 1000 / RECEIPTS),
        f"{sum(sizes) / RECEIPTS / 1024:.0f} KB",
    ]
    tables.show(
        "4. Receipts as PDF, tagged (PDF/UA-1), each a different one",
        heads=["", "receipts", "receipts/s", "processor each", "size"],
        rows=[row],
    )


def _issued(count: int) -> list[Receipt]:
    factories.organization()
    campaign = factories.campaign(is_current=False)
    factories.pool(campaign=campaign, limit_minor=count * 20_000)
    receipts = []
    for number in range(count):
        gift = factories.donation(campaign=campaign, amount_minor=10_000 + number)
        factories.match(gift)
        receipts.append(issue_receipt(donation_id=gift.pk, now=factories.GIFT_AT))
    return receipts
