"""Receipts: proof of the donor's own payment; numbered without gaps, never edited, voided and replaced.

A number is `year-count`, by the day of the gift in the campaign's time zone. The year's ReceiptCounter row is locked
while a number is used, so a transaction that fails gives its number back and two never share one. The database
refuses any edit and any delete of a receipt, and a second valid one for a gift.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext

from campaign.models import Organization
from campaign.moments import full_day_text
from donations.models import Donation, FollowUp, GiftNote, GiftNotPaid, Receipt
from donations.receipt_content import Goods, ledger_facts, local_day, receipt_day, receipt_facts
from matching.heads import latest_head
from matching.queries import gift_match


class NothingToReceipt(Exception):
    """The whole payment has been refunded, so there is nothing left to prove."""


class OrganizationMissing(Exception):
    """A receipt needs the organization's legal name and EIN: fill it in under /admin/ first."""


def issue_receipt(*, donation_id: int, now: datetime, goods: Goods | None = None) -> Receipt:
    """Issue the receipt of a paid gift, with its number, and owe its e-mail.

    now: aware; the moment of issue. goods: what the donor got in return, None for nothing.
    A gift that has a valid receipt keeps it: it is returned unchanged and nothing is written.
    Raises GiftNotPaid; NothingToReceipt when all of it was refunded; OrganizationMissing; Donation.DoesNotExist.
    One transaction; locks the gift, then the year's counter; in a transaction of the caller's, issue one receipt.
    Writes the receipt, a note in the gift's history and the FollowUp for the e-mail, if the donor has one. No network.
    """
    with transaction.atomic():
        donation = _locked_gift(donation_id)
        valid = _valid_receipt(donation)
        if valid is not None:
            return valid
        return _issue(donation, facts=_facts(donation, goods=goods), now=now)


def replace_receipt(*, donation_id: int, reason: str, now: datetime) -> Receipt | None:
    """Void a gift's receipt after a refund or a correction, and issue the next version, which names the old number.

    reason: a short sentence for the gift's history and the voided PDF, such as "Refunded $50.00." now: aware.
    Returns the new receipt; None when the whole payment has been refunded: then the old one is voided only, and its
    donor is owed an e-mail that says so.
    A receipt that already says what the new one would say is returned unchanged, so a repeat writes nothing.
    What the donor got in return is carried over. Raises GiftNotPaid, OrganizationMissing, Donation.DoesNotExist.
    One transaction; locks the gift, then the year's counter. Writes as issue_receipt does. No network.
    """
    with transaction.atomic():
        donation = _locked_gift(donation_id)
        valid = _valid_receipt(donation)
        if donation.net_minor == 0:
            _void(valid, donation=donation, reason=reason, now=now)
            if valid is not None and not donation.is_offline:  # of checks and cash staff tell the donor
                FollowUp.objects.create(donation=donation, kind=FollowUp.Kind.RETURNED, subject_id=valid.pk, due_at=now)
            return None
        facts = _facts(donation, goods=_goods_of(valid or _newest_receipt(donation)))
        if valid is not None and _says(valid, facts):
            return valid
        _void(valid, donation=donation, reason=reason, now=now)
        return _issue(donation, facts=facts, now=now)


def _locked_gift(donation_id: int) -> Donation:
    """The gift, locked: whoever issues or replaces its receipt at the same time waits and then sees ours."""
    gifts = Donation.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    donation = gifts.get(pk=donation_id)
    if donation.state != Donation.State.PAID:
        raise GiftNotPaid(donation)
    return donation


def _valid_receipt(donation: Donation) -> Receipt | None:
    return donation.receipts.filter(voided_at=None).first()


def _newest_receipt(donation: Donation) -> Receipt | None:
    """Valid or void: after a full refund that failed, the new receipt follows a void one."""
    return donation.receipts.order_by("-version").first()


def _facts(donation: Donation, *, goods: Goods | None) -> dict[str, Any]:
    if donation.net_minor == 0:
        raise NothingToReceipt(f"{donation.reference} has been refunded in full.")
    organization = Organization.objects.first()
    if organization is None:
        raise OrganizationMissing("Fill in the organization under /admin/ first: receipts print its name and EIN.")
    match = gift_match(key=donation.match_key)
    return receipt_facts(donation=donation, organization=organization, match=match, goods=goods)


def _says(receipt: Receipt, facts: dict[str, Any]) -> bool:
    # A receipt is not replaced for its looks.
    return all(receipt.content.get(key) == value for key, value in facts.items() if key != "look")


def _goods_of(receipt: Receipt | None) -> Goods | None:
    goods = receipt.content.get("goods") if receipt else None
    return Goods(goods["description"], goods["estimate_minor"]) if goods else None


def _void(receipt: Receipt | None, *, donation: Donation, reason: str, now: datetime) -> None:
    if receipt is None:
        return
    receipt.voided_at = now
    receipt.void_reason = reason[:200]
    receipt.save(update_fields=["voided_at", "void_reason"])
    _note(
        donation,
        text=gettext("Receipt %(number)s voided: %(reason)s") % {"number": receipt.number, "reason": reason},
        now=now,
    )


def _issue(donation: Donation, *, facts: dict[str, Any], now: datetime) -> Receipt:
    """Number and write one receipt. Takes the counter's lock last, so that it is held as short as can be."""
    earlier = _newest_receipt(donation)
    version = earlier.version + 1 if earlier else 1
    day = receipt_day(donation)
    match = facts["match"]
    number = f"{day.year}-{_next_number(day.year):06d}"
    receipt = Receipt.objects.create(
        donation=donation,
        number=number,
        version=version,
        replaces=earlier,
        receipt_date=day,
        amount_minor=donation.net_minor,
        currency=donation.currency,
        content=facts
        | {
            "number": number,
            "version": version,
            "replaces": earlier.number if earlier else "",
            "issued_text": full_day_text(local_day(now, campaign=donation.campaign)),
            "ledger": ledger_facts(match_reference=match["reference"], head=latest_head()) if match else None,
        },
        issued_at=now,
    )
    _note(
        donation,
        text=gettext("Receipt %(number)s issued for %(amount)s.") % {"number": number, "amount": facts["net_text"]},
        now=now,
    )
    if donation.donor_email:  # without one it waits in the list of receipts to post (posting.py)
        FollowUp.objects.create(donation=donation, kind=FollowUp.Kind.EMAIL, subject_id=receipt.pk, due_at=now)
    return receipt


def _next_number(year: int) -> int:
    """The next number of the year. Locks the year's row until the transaction ends, making it when it is the first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO donations_receiptcounter (year, last_number) VALUES (%s, 1) "
            "ON CONFLICT (year) DO UPDATE SET last_number = donations_receiptcounter.last_number + 1 "
            "RETURNING last_number",
            [year],
        )
        (number,) = cursor.fetchone()
    return int(number)


def _note(donation: Donation, *, text: str, now: datetime) -> None:
    GiftNote.objects.create(donation=donation, at=now, actor="system", text=text[:300])
