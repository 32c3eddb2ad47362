"""Money that goes back, and warnings of fraud, as Stripe reports them: match and receipt follow."""

from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from campaign.money import format_amount
from donations import work
from donations.giving import locked_gift
from donations.models import Donation, FollowUp, FraudWarning, GiftNote, Reversal
from matching import holds, refunds
from matching.ledger import STRIPE
from matching.queries import shortfall

GONE_REFUND = ("failed", "canceled")
CLOSED_DISPUTE = ("won", "lost", "warning_closed", "prevented")
# Of two reports that Stripe dates to the same second, the one that stands later here is the newer.
_COURSE = (
    *("requires_action", "pending", "succeeded", *GONE_REFUND),
    *("warning_needs_response", "warning_under_review", "warning_closed"),
    *("needs_response", "under_review", "prevented", "lost", "won"),
)


@transaction.atomic
def record_reversal(
    *,
    donation_id: int,
    kind: str,
    stripe_id: str,
    amount_minor: int,
    status: str,
    created_at: datetime,
    reported_at: datetime,
    now: datetime,
) -> Donation:
    """Note a refund or dispute as Stripe reports it, and make match and receipt agree with what is now refunded.

    created_at: of the refund or dispute; reported_at: of this report, both by Stripe's clock. Any order and number of
    reports of the same objects end the same: each row stands as its newest report says (a refund may fail after it
    succeeded, a lost dispute may still be won), and the rest is computed from the sum of the rows.
    One transaction; locks the gift, then its pools. No network. Raises PoolsBusy.
    """
    donation = locked_gift(donation_id)
    row = Reversal.objects.filter(stripe_id=stripe_id).first()
    if row is not None and _age(status, reported_at) <= _age(row.status, row.changed_at):
        return donation
    before = None if row is None else (row.status, row.amount_minor)
    row = row or Reversal(donation=donation, kind=kind, stripe_id=stripe_id, created_at=created_at)
    row.status, row.amount_minor, row.changed_at = status, amount_minor, reported_at
    row.save()
    if (status, amount_minor) != before:
        shown = format_amount(amount_minor, currency=donation.currency)
        note(
            donation,
            text=gettext("%(kind)s of %(amount)s: %(status)s.")
            % {"kind": row.get_kind_display(), "amount": shown, "status": status.replace("_", " ")},
            now=now,
        )
        apply_reversals(donation, now=now)
    return donation


@transaction.atomic
def note_fraud_warning(
    *, donation_id: int, stripe_id: str, fraud_type: str, created_at: datetime, now: datetime
) -> None:
    """The card network thinks that the payment was fraud: staff are shown it, nothing else moves. Once per warning."""
    donation = locked_gift(donation_id)
    warning = {"donation": donation, "fraud_type": fraud_type[:60], "created_at": created_at}
    if FraudWarning.objects.get_or_create(stripe_id=stripe_id, defaults=warning)[1]:
        note(
            donation,
            text=gettext("Early fraud warning: %(why)s.") % {"why": fraud_type[:60].replace("_", " ")},
            now=now,
        )


def refunded_total(donation: Donation) -> int:
    """What has gone back of gift and fee, in minor units: the sum of what counts, at most the total."""
    total = sum(row.amount_minor for row in donation.reversals.all() if counts_as_refunded(row))
    return min(total, donation.total_minor)


def counts_as_refunded(row: Reversal) -> bool:
    """A refund that did not fail, a dispute that was lost, a check that was cancelled."""
    if row.kind == Reversal.Kind.REFUND:
        return row.status not in GONE_REFUND
    return row.kind == Reversal.Kind.OFFLINE or row.status == "lost"


def apply_reversals(donation: Donation, *, now: datetime) -> None:
    disputes = donation.reversals.filter(kind=Reversal.Kind.DISPUTE).order_by("created_at")
    open_dispute = disputes.exclude(status__in=CLOSED_DISPUTE).first()
    donation.disputed_at = open_dispute.created_at if open_dispute else None
    before, donation.refunded_minor = donation.refunded_minor, refunded_total(donation)
    donation.save(update_fields=["disputed_at", "refunded_minor"])
    if donation.state != Donation.State.PAID or before == donation.refunded_minor == 0:
        return
    core_minor = min(donation.refunded_minor, donation.amount_minor)
    with suppress(holds.NoReservation):
        refunds.settle_refund(key=donation.match_key, refunded_minor=core_minor, now=now)
        _keep_shortfall(donation, now=now)
    if donation.refunded_minor != before:
        work.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)


def _keep_shortfall(donation: Donation, *, now: datetime) -> None:
    """When a refund failed, other gifts may have some of the match that it had freed: staff and donor must see that."""
    before, donation.match_shortfall_minor = donation.match_shortfall_minor, shortfall(key=donation.match_key)
    donation.save(update_fields=["match_shortfall_minor"])
    if donation.match_shortfall_minor > before:
        less = format_amount(donation.match_shortfall_minor, currency=donation.currency)
        text = gettext(
            "A refund failed or a dispute was won, and the match could not be restored in full: %(less)s is missing."
        ) % {"less": less}
        note(donation, text=text, now=now)


def _age(status: str, reported_at: datetime) -> tuple[datetime, int, str]:
    """What tells the newer of two reports of one refund or dispute; an unknown status is the oldest of its second."""
    return reported_at, _COURSE.index(status) if status in _COURSE else -1, status


def note(donation: Donation, *, text: str, now: datetime) -> None:
    GiftNote.objects.create(donation=donation, at=now, actor=STRIPE, text=text)
