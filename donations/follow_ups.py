"""Work owed for a gift: its receipt, the e-mail that carries it, what else its donor is told."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext, gettext_lazy

from campaign.money import format_amount
from donations import (
    bank_mail,
    ecards,
    freed_match,
    mail,
    monthly_mail,
    receipts,
    reminders,
    return_mail,
    saved_cards,
    schedule_mail,
    work,
)
from donations.models import Donation, FollowUp, Reversal
from donations.receipt_content import LOST_REFUND, WON_DISPUTE, came_back_because
from matching import holds
from matching.ledger import SYSTEM

MAIL = tuple(set(FollowUp.Kind) - {FollowUp.Kind.RECEIPT, FollowUp.Kind.CARD, FollowUp.Kind.RELEASE})
MATCH_CHANGED = gettext_lazy("The match of the gift has changed.")
_CAME_BACK = {
    WON_DISPUTE: gettext_lazy("Your bank gave back what it had disputed."),
    LOST_REFUND: gettext_lazy("A refund did not go through."),
}


def run(*, follow_up_id: int, now: datetime) -> bool:
    """Do one piece of work if it is due and nobody else has it. Returns whether it is now done.

    A failure stays on the row and is tried again later; it is not raised. Safe to repeat: receipts are issued
    once, and an e-mail sent twice carries the same Message-ID. A reminder or an e-card that comes too early is put off.
    """
    row = work.claim(FollowUp, pk=follow_up_id, now=now)
    if row is None:
        return False
    try:
        again_at = _do(row, now=now)
    except Exception as error:  # noqa: BLE001 - whatever it was, the row keeps it and comes due again
        work.note_failure(row, error=error, now=now, permanent=getattr(error, "permanent", False))
        return False
    if again_at is not None:
        work.put_off(row, until=again_at)
        return False
    return work.note_success(row, state=FollowUp.State.DONE)


def _do(row: FollowUp, *, now: datetime) -> datetime | None:
    """The work itself; when to come again, where it is too early for it."""
    if row.kind == FollowUp.Kind.REMINDER:
        return reminders.remind(donation_id=row.donation_id, now=now)
    if row.kind == FollowUp.Kind.ECARD:
        return ecards.send(donation_id=row.donation_id, now=now)
    if row.kind == FollowUp.Kind.RECEIPT:
        _bring_receipt_up_to_date(row, now=now)
    elif row.kind == FollowUp.Kind.CARD:
        saved_cards.forget(donation_id=row.donation_id)
    elif row.kind == FollowUp.Kind.RELEASE:
        with suppress(holds.HoldResolved, holds.NoReservation):
            holds.release(key=row.donation.match_key, now=now, actor=SYSTEM)
    else:
        _write_to_somebody(row, now=now)
    return None


def _write_to_somebody(row: FollowUp, *, now: datetime) -> None:
    if row.kind == FollowUp.Kind.MATCH:
        freed_match.tell_donor(donation_id=row.donation_id, match_minor=row.subject_id, now=now)
    elif row.kind == FollowUp.Kind.SCHEDULE:
        schedule_mail.tell_donor(donation_id=row.donation_id, what=row.subject_id, now=now)
    elif row.kind == FollowUp.Kind.MONTHLY:
        monthly_mail.tell_donor(change_id=row.subject_id, now=now)
    elif row.kind == FollowUp.Kind.REFUSED:
        bank_mail.tell_donor(donation_id=row.donation_id, now=now)
    elif row.kind == FollowUp.Kind.RETURNED:
        return_mail.tell_donor(receipt_id=row.subject_id, now=now)
    else:
        mail.send_receipt(receipt_id=row.subject_id, now=now)


def due_ids(*, donation_id: int) -> list[int]:
    """Work of one gift that waits, the oldest first."""
    rows = FollowUp.objects.filter(donation_id=donation_id, state=FollowUp.State.DUE)
    return list(rows.values_list("pk", flat=True))


def are_mail(ids: Sequence[int]) -> set[int]:
    """Those of these rows that talk to the mail server, which may be slow: they have a queue of their own."""
    return set(FollowUp.objects.filter(pk__in=ids, kind__in=MAIL).values_list("pk", flat=True))


def _bring_receipt_up_to_date(row: FollowUp, *, now: datetime) -> None:
    """Issue the first receipt, or replace one that no longer says what was paid."""
    with transaction.atomic():
        # Locked, so that the reason and the new receipt name the same sum.
        donation = Donation.objects.select_for_update(no_key=True).get(pk=row.donation_id)
        if donation.receipts.exists():
            receipts.replace_receipt(donation_id=donation.pk, reason=_what_changed(donation), now=now)
        elif donation.net_minor > 0:
            receipts.issue_receipt(donation_id=donation.pk, now=now)


def _what_changed(donation: Donation) -> str:
    """Why the receipt before is void, for its PDF, the gift's history and finance: with the sums."""
    cancelled = donation.reversals.filter(kind=Reversal.Kind.OFFLINE).first()
    if cancelled is not None:
        return str(Reversal.Cause(cancelled.status).label)
    if donation.is_offline:
        return _corrections_since_receipt(donation)
    if not donation.refunded_minor:
        return str(_CAME_BACK.get(came_back_because(donation), MATCH_CHANGED))
    refunded = format_amount(donation.refunded_minor, currency=donation.currency)
    paid = format_amount(donation.total_minor, currency=donation.currency)
    return gettext("Refunded %(refunded)s of %(paid)s paid.") % {"refunded": refunded, "paid": paid}


def _corrections_since_receipt(donation: Donation) -> str:
    """What staff corrected after the newest receipt was issued, as its donor may read it."""
    newest = donation.receipts.order_by("-version").values_list("issued_at", flat=True).first()
    later = donation.corrections.filter(at__gte=newest) if newest else donation.corrections.all()
    said = [str(row) for row in later]
    return gettext("Corrected: %(changes)s") % {"changes": " ".join(said)} if said else str(MATCH_CHANGED)
